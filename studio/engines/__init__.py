"""What turns a song plan into sound: one protocol, several engines."""
