"use strict";

document.title = settings.title;
const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showCommonExtensions: true,
  tryItOutEnabled: true,
  // The validator is somebody else's web site.
  validatorUrl: null,
});
ui.initOAuth({ clientId: settings.clientId ?? "", scopes: settings.scopes });
