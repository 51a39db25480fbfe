"""Reports as one HTML file that works offline: nothing in it is fetched from anywhere."""
