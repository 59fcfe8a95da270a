class Refusal(Exception):
    """What is wrong with the input, in one line."""
