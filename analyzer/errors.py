"""The two exceptions that are shown to the user as one sentence: a mistake, and something that is not installed."""


class InvalidInput(ValueError):
    """A user's mistake in one sentence that names the field, the value and the rule; shown verbatim everywhere."""


class Unavailable(RuntimeError):
    """Something this machine lacks (torch, CUDA, a renderer), in one sentence that says what to install."""


def shortened(value: object, limit: int = 60) -> str:
    """The text of a value on one line, cut to `limit` characters, so that hostile input cannot flood a message."""
    try:
        text = " ".join(str(value)[: limit * 4].split())
    except ValueError:  # Python refuses to write out whole numbers of more than 4,300 digits
        text = "of more than 4300 digits"
    except RecursionError:
        text = "nested too deep to be shown"
    printable = (
        text if text.isprintable() else "".join(character if character.isprintable() else "?" for character in text)
    )
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
