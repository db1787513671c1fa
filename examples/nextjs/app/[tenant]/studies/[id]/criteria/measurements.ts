/** Measurements that the form for a laboratory value offers: their LOINC codes, and the UCUM unit of the bounds. */

interface Measurement {
  name: string;
  codes: readonly string[];
  unit: string;
  unitText: string;
}

export const MEASUREMENTS: Record<string, Measurement> = {
  hba1c: { name: "HbA1c", codes: ["4548-4", "17856-6", "59261-8"], unit: "%", unitText: "%" },
  egfr: {
    name: "Estimated glomerular filtration rate",
    codes: ["33914-3", "48642-3", "48643-1", "62238-1", "77147-7", "98979-8"],
    unit: "mL/min/{1.73_m2}",
    unitText: "mL/min/1.73 m²",
  },
  hemoglobin: { name: "Hemoglobin", codes: ["718-7"], unit: "g/dL", unitText: "g/dL" },
  platelets: { name: "Platelets", codes: ["777-3"], unit: "10*3/uL", unitText: "10³/µL" },
  alt: { name: "Alanine aminotransferase", codes: ["1742-6"], unit: "U/L", unitText: "U/L" },
  ldl: { name: "LDL cholesterol", codes: ["13457-7", "18262-6"], unit: "mg/dL", unitText: "mg/dL" },
  bmi: { name: "Body mass index", codes: ["39156-5"], unit: "kg/m2", unitText: "kg/m²" },
  systolic: { name: "Systolic blood pressure", codes: ["8480-6"], unit: "mm[Hg]", unitText: "mmHg" },
};
