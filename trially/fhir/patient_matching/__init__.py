"""Find studies that fit a patient of another system. Nothing of the patient is stored."""
