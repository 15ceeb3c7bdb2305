"""The parts of `ds-actors demo`: the player, the story and the views."""
