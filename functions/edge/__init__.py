"""The machinery between HTTP and handlers: admission, requests, responses, cursors, and what no route takes."""
