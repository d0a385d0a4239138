// Ends the registry's work when the process calls exit().
#pragma once

namespace crossrank {

// exit() destroys what belongs to the calling thread first, and then runs handlers and static destructors in
// reverse order of their registration. The work must have ended before the destructors of ONNX Runtime's
// static memory, some of which is made while the library is opened, some by the first session. The event
// 'exit', to which lib/ listens, comes before all of it; what follows is for exit() by somebody else's native
// code.

// On the main thread: exit() of this thread stops the work before anything else. Elsewhere it does nothing.
void StopAtExitOfMainThread();

// For exit() of other threads: a handler at each of these points, of which the first that runs does the work.
// Not covered is an exit() of another thread during the milliseconds in which the library is being opened.
enum class ExitStage { kFirstLoad, kLibraryOpen, kFirstSession };
void StopAtExit(ExitStage stage);

}  // namespace crossrank
