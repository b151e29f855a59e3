"""The blueprints, as a package of the app."""
