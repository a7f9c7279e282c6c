"""What all pages share: the address, the browser's history, the values of widgets, links and style."""
