"""Extract the text of attachments. They are untrusted, so a process of its own reads them."""
