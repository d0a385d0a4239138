// Ends the registry's work when the process calls exit().
#pragma once

namespace crossrank {

// exit() runs handlers and static destructors in reverse order of their registration. Ours must run before
// the destructors of ONNX Runtime's static memory, some of which is made when the library is opened, some by
// the first session; and before that, a load may be on its way to the library. So it is registered at each of
// these points, and the first call does the work. (lib/ also stops the work at the event 'exit', which comes
// before any of them; these are for exit() by somebody else's native code.)
enum class ExitStage { kFirstLoad, kLibraryOpen, kFirstSession };
void StopAtExit(ExitStage stage);

}  // namespace crossrank
