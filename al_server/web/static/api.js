// The server's HTTP interface, as the pages use it.

/** An answer that says no. A status of 0: no answer came at all. */
export class ApiError extends Error {
  constructor(status, { code, message, remedy }) {
    super(message);
    this.status = status;
    this.code = code;
    this.remedy = remedy ?? "";
  }

  /** True where the same request may succeed later: nobody answered, or the server is in trouble. */
  get isPassing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const UNREACHABLE = { code: "unreachable", message: "The server cannot be reached." };
const TIMEOUT_MS = 20_000;

export async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") {
    headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf-token]").content;
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  const answer = parsed(text);
  if (response.ok && answer !== null) return answer;
  throw new ApiError(response.status, answer?.error ?? unclear(response.status));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unclear(status) {
  return { code: "unclear", message: `The server answered ${status}, without saying why.` };
}

export const CAMPAIGNS = "/api/v1/campaigns";
const segment = encodeURIComponent;

/** The calls about one campaign. */
export class CampaignApi {
  constructor(name) {
    this.base = `${CAMPAIGNS}/${segment(name)}`;
  }

  info = () => request("GET", this.base);
  next = (annotator, n) =>
    request("GET", `${this.base}/next?n=${n}&annotator=${segment(annotator)}`);
  record = (answer) => request("POST", `${this.base}/labels`, { labels: [answer] });
  undo = (sampleId, annotator) =>
    request(
      "DELETE",
      `${this.base}/labels/${segment(sampleId)}?annotator=${segment(annotator)}&lease=true`,
    );
  sample = (sampleId) => request("GET", this.sampleUri(sampleId));
  similar = (sampleId, k) => request("GET", `${this.sampleUri(sampleId)}/similar?k=${k}`);
  addClasses = (classes) => request("POST", `${this.base}/classes`, { classes });
  addSamples = (source) => request("POST", `${this.base}/samples`, { source });

  sampleUri = (sampleId) => `${this.base}/samples/${segment(sampleId)}`;
  mediaUri = (sampleId) => `${this.sampleUri(sampleId)}/media`;
}
