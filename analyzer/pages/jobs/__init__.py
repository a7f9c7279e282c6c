"""Work that the page hands to another process."""
