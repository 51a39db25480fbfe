"""What the versions of Hugging Face's Trainer have in common, from 4.35 to 5.23: files, resume, rotation."""
