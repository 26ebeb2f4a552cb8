"use strict";
// What is shown, and where it is, comes from the service.
window.ui = SwaggerUIBundle({
  configUrl: "/v3/api-docs/swagger-config",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0, // the schemas are there, folded
  queryConfigEnabled: false, // no link may make this page show another description
});
