"""Write the operations and the policy of API Management: `python -m infra.gateway`."""

from infra.gateway.files import FILES


def main() -> None:
    """Write every generated file."""
    for path, content in FILES.items():
        path.write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
