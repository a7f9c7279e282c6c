"""Design spaces: many networks described at once, evaluated by array arithmetic traced from the one description."""
