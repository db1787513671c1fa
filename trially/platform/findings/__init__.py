"""What the doctor has found."""
