"use strict";

document.title = settings.title;
const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // Where a sign-in comes back to, in the window that was opened for it.
  oauth2RedirectUrl: new URL("docs/oauth2-redirect.html", location.href).href,
  showCommonExtensions: true,
  tryItOutEnabled: true,
  // The validator is somebody else's web site.
  validatorUrl: null,
  // No cookie means anything here, and a 401 must not make the browser ask for a password itself.
  requestInterceptor: (request) => ({ ...request, credentials: "omit" }),
});
ui.initOAuth({ clientId: settings.clientId ?? "", scopes: settings.scopes, usePkceWithAuthorizationCodeGrant: true });
