"""What the demonstration shows: the incident, and every strategy side by side."""
