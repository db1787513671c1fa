"""Commands about what is in tenants: imports, studies, matches, patients."""

from trially.commands.building import group, lazy

IMPORTS = "trially.recruiting.imports.commands"
LISTING = "trially.recruiting.imports.listing_commands"
TABLES = "trially.recruiting.imports.table_commands"
MESSAGES = "trially.recruiting.imports.message_commands"
BULK = "trially.recruiting.imports.bulk_commands"
PATIENTS = "trially.recruiting.duplicate_reviews.commands"
WAITING = "trially.recruiting.imports.waiting.commands"
MATCHES = "trially.recruiting.study_matching.commands"

imports = group(
    "imports",
    "Import records, list and delete imports.",
    lazy("fhir", f"{IMPORTS}:fhir", "Import FHIR R4 records into TENANT."),
    lazy("csv", f"{TABLES}:csv", "Import CSV files into TENANT."),
    lazy("hl7v2", f"{MESSAGES}:hl7v2", "Import HL7 v2 messages into TENANT."),
    lazy("bulk", f"{BULK}:bulk", "Import an export of a Bulk Data server into TENANT."),
    lazy("list", f"{LISTING}:list_", "List the last 100 imports of TENANT, newest first."),
    lazy("delete", f"{IMPORTS}:delete", "Delete the import IMPORT_ID of TENANT, with its errors."),
    lazy(
        "withdraw",
        "trially.recruiting.imports.missing_records.commands:withdraw",
        "Withdraw the records that the import IMPORT_ID of TENANT lacks.",
    ),
    lazy(
        "waiting",
        f"{WAITING}:waiting",
        "List the first 100 records of TENANT that wait for a patient, oldest first.",
    ),
    lazy(
        "forget",
        f"{WAITING}:forget",
        "Delete the records of SOURCE in TENANT that wait for a patient.",
    ),
)

studies = group(
    "studies",
    "Import studies, and propose their criteria.",
    lazy(
        "import",
        "trially.recruiting.study_imports.commands:import_",
        "Import studies from ClinicalTrials.gov into TENANT.",
    ),
    lazy(
        "propose",
        "trially.recruiting.protocols.versions.proposals.commands:propose",
        "Propose criteria for a study of TENANT from its registry's text.",
    ),
)

match = group(
    "match",
    "Compute and explain the matches of studies.",
    lazy(
        "explain",
        f"{MATCHES}:explain",
        "Explain what the studies in TENANT say of the patient PATIENT_ID, with the evidence.",
    ),
    lazy(
        "run", f"{MATCHES}:run", "Compute the matches of studies in TENANT for all patients, now."
    ),
    lazy(
        "status",
        f"{MATCHES}:status",
        "Show the matches of each study in TENANT, in numbers.",
    ),
)

patients = group(
    "patients",
    "Index, export and erase patients, and find possible duplicates.",
    lazy(
        "erase",
        "trially.recruiting.patients.erasures.commands:erase_",
        "Erase the patient PATIENT_ID of TENANT, and print the certificate.",
    ),
    lazy(
        "export",
        "trially.exports.commands:export_patient",
        "Export all that TENANT stores about the person PATIENT_ID, and who saw it.",
    ),
    lazy(
        "duplicates",
        f"{PATIENTS}:duplicates",
        "Find the possible duplicates among all patients of TENANT, and list the first 100.",
    ),
    lazy("index", f"{PATIENTS}:index", "Write the search terms of all patients of TENANT again."),
)
