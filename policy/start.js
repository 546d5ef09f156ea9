// Where Pulumi enters the pack. Its own way would check all types again before the first rule is read, which
// takes longer than a preview; `npm run check` has checked them.

const { readFileSync } = require("node:fs");
const { ModuleKind, ScriptTarget, transpileModule } = require("typescript");

const compilerOptions = {
  module: ModuleKind.CommonJS,
  target: ScriptTarget.ES2022,
  esModuleInterop: true,
  inlineSourceMap: true,
};

require.extensions[".ts"] = (module, fileName) => {
  const { outputText } = transpileModule(readFileSync(fileName, "utf8"), {
    fileName,
    compilerOptions,
  });
  module._compile(outputText, fileName);
};

require("./index.ts");
