"""CSV files: patients, diagnoses, laboratory values and medications."""
