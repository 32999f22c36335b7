"""What the four agents share: the Faust app, the batch loop, pause, dead letters, watermarks, watchdog, preflight."""
