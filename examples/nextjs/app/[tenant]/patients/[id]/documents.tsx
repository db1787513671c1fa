"use client";

import { formatDate, type Schemas } from "@trially/client";
import { useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";

import { type DocumentsState, type Found, searchDocuments } from "./documents-action";

type Props = { tenant: string; patient: string; latest: Found[]; maySearch: boolean };

const english = { locale: "en-US", timeZone: "UTC" };

/** A patient's documents: the latest, or those that a search finds, and the text of one of them. */
export function Documents({ tenant, patient, latest, maySearch }: Props) {
  const [state, action, isPending] = useActionState<DocumentsState, FormData>(searchDocuments.bind(null, tenant, patient), {});
  const { words, documents, open, failure } = state;
  const shown = documents ?? latest;
  return (
    <>
      {maySearch ? (
        <form action={action} className="search" role="search" aria-label="Documents">
          <label className="field">
            <span>Words in documents</span>
            <input name="words" defaultValue={words ?? ""} key={words ?? ""} autoComplete="off" maxLength={200} />
          </label>
          <button className="button primary" disabled={isPending}>
            {isPending ? "Searching…" : "Search"}
          </button>
          {words && (
            <button className="button quiet" name="clear" value="1">
              Clear
            </button>
          )}
        </form>
      ) : (
        <p className="notice">Texts of documents are hidden from you, so you cannot search them.</p>
      )}
      {failure && <FailureNotice failure={failure} />}
      {words && documents && (
        <p role="status" className="found">
          {documents.length === 1 ? "1 document found." : `${documents.length} documents found.`}
        </p>
      )}
      {shown.length === 0 && !words && <p className="empty">No documents.</p>}
      <form action={action} className="documents">
        {shown.map((document) => (
          <article key={document.id}>
            <h3>
              <button className="link" name="open" value={document.id} aria-expanded={open?.id === document.id}>
                {document.title ?? document.type_display ?? document.type_code ?? "Document"}
              </button>
            </h3>
            <p className="found">{[dateOf(document), document.author].filter(Boolean).join(" · ")}</p>
            {open?.id === document.id ? <Text document={open} /> : <Snippets snippets={document.snippets ?? []} />}
          </article>
        ))}
      </form>
    </>
  );
}

function Snippets({ snippets }: { snippets: Schemas["Snippet"][] }) {
  return snippets.map((snippet, number) => (
    <p key={number} className="snippet">
      … <Parts parts={snippet.parts ?? []} /> …
    </p>
  ));
}

function Text({ document }: { document: Schemas["DocumentText"] }) {
  if (document.page_count === 0) {
    return <p className="empty">The text could not be read ({document.text_problem?.replaceAll("_", " ")}).</p>;
  }
  return (
    <div className="document-text">
      {(document.pages ?? []).map((page) => (
        <section key={page.number} aria-label={document.has_page_numbers ? `Page ${page.number}` : undefined}>
          {document.has_page_numbers && <h4>Page {page.number}</h4>}
          <p>{page.parts ? <Parts parts={page.parts} /> : (page.text ?? "Hidden")}</p>
        </section>
      ))}
      {document.next_page && <p className="empty">The text continues on page {document.next_page}.</p>}
    </div>
  );
}

/** Text in parts: React escapes each, so nothing that a document contains becomes HTML. */
function Parts({ parts }: { parts: Schemas["Part"][] }) {
  return parts.map((part, number) => (part.match ? <mark key={number}>{part.text}</mark> : <span key={number}>{part.text}</span>));
}

function dateOf(document: Found): string {
  return document.dated_on ? formatDate(document.dated_on, document.at_precision === "instant" ? "day" : document.at_precision, english) : "Date unknown";
}
