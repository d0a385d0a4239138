// Keeps the addon's library in the process when the last environment that loaded it has ended.
#pragma once

namespace crossrank::addon {

// Node.js unloads an addon with the worker that alone has loaded it, while the registry's threads, a
// tokenizer's parse and ONNX Runtime's sessions still have our code to run. (On Linux the linker has marked
// the library so, too; a build by other means may not.)
void PinLibrary() noexcept;

}  // namespace crossrank::addon
