#include "addon/pin.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace crossrank::addon {

void PinLibrary() noexcept {
#ifdef _WIN32
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&PinLibrary), &module);
#else
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&PinLibrary), &self) == 0) return;
  dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);  // its reference is never given back
#endif
}

}  // namespace crossrank::addon
