#include "engine/exit_handler.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "engine/registry.h"

namespace crossrank {

void StopAtExit(ExitStage stage) {
  static std::atomic<bool> registered[3];
  if (registered[static_cast<size_t>(stage)].exchange(true)) return;
  std::atexit([] { EngineRegistry::Get().Stop(); });
}

}  // namespace crossrank
