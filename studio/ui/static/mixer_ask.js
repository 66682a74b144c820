// A request to the desk's routes; a refusal is thrown as its sentence.
export async function ask(path, { method = "GET", body } = {}) {
  const options = { method };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await fetch(`studio/desk/${path}`, options);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail ?? "The studio did not answer.");
  return told;
}
