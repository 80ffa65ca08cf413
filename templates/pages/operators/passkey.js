const form = document.querySelector("form[data-passkey]");
const say = (text) => { document.querySelector("[role=alert]").textContent = text; };
const post = async (path, body) => {
  const reply = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const json = reply.status === 204 ? {} : await reply.json();
  if (!reply.ok) throw new Error(json.detail);
  return json;
};
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  try {
    if (form.dataset.passkey === "enroll") {
      const begun = await post("/operator/enroll/begin", { token: fields.token });
      const options = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options.publicKey);
      const credential = (await navigator.credentials.create({ publicKey: options })).toJSON();
      const done = await post("/operator/enroll/finish", { token: fields.token, name: fields.name, ceremony: begun.ceremony, credential });
      document.querySelector("#codes").textContent = done.recoveryCodes.join("\n");
      document.querySelector("#done").hidden = false;
      form.hidden = true;
    } else {
      const begun = await post("/operator/login/begin", { email: fields.email });
      const options = PublicKeyCredential.parseRequestOptionsFromJSON(begun.options.publicKey);
      const credential = (await navigator.credentials.get({ publicKey: options })).toJSON();
      await post("/operator/login/finish", { ceremony: begun.ceremony, credential });
      location.reload();
    }
  } catch (error) { say(error.message || "That did not work."); }
});
