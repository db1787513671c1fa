"""Extract the text of attachments. Attachments are untrusted, so a process of its own reads them."""
