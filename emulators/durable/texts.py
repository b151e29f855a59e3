"""Free text on its way into PostgreSQL."""


def storable(text: str) -> str:
    """The text with what no `text` column can hold (NUL, lone surrogates) replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
