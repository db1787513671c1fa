// A server that answers as a test says, and remembers what it was sent.

import { createServer } from "node:http";

import { createTriallyClient } from "../dist/index.js";

/**
 * Start a server whose n-th answer is the n-th of `answers`, and the last one from then on. An answer is
 * `[status, headers, body]`, or "hang up" or "silence". Returns a client of it, the requests, and `close`.
 */
export async function serve(answers, options = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    requests.push({
      method: request.method,
      url: request.url,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (answer === "hang up") {
      request.socket.destroy();
    } else if (answer !== "silence") {
      const [status, headers, body] = answer;
      response.writeHead(status, headers);
      response.write(body);
      headers["X-Cut"] ? response.socket.destroy() : response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const trially = createTriallyClient({ baseUrl, token: () => "a-token", ...options });
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { trially, requests, close };
}

export const JSON_TYPE = { "Content-Type": "application/json" };

export function problem(status, code, headers = {}) {
  const body = { type: `/problems/${code}`, code, title: code, status, detail: `It is ${code}.`, request_id: "r1" };
  return [status, { "Content-Type": "application/problem+json", ...headers }, JSON.stringify(body)];
}
