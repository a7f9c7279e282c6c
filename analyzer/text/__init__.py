"""Numbers and tables as text: what every floor may need to say a figure to a person."""
