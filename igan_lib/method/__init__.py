"""The paper: its losses, its networks and the step that trains them."""
