// What this CPU and operating system can run, and the choice of a kernel table.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "amx_permission.h"
#include "kernels.h"
#include "tables.h"

#if defined(CROSSRANK_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace crossrank::kernels {
namespace {

#if defined(CROSSRANK_X86)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers Cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
#if defined(_MSC_VER)
  int raw[4];
  __cpuid(raw, 0);
  if (leaf > static_cast<uint32_t>(raw[0])) return r;
  __cpuidex(raw, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(raw[0]), static_cast<uint32_t>(raw[1]), static_cast<uint32_t>(raw[2]),
       static_cast<uint32_t>(raw[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // leaves zeros where the leaf is missing
#endif
  return r;
}

// The register files that the operating system saves on a context switch (XCR0).
uint64_t EnabledState(const Registers& leaf1) {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((leaf1.ecx & kOsxsave) == 0) return 0;
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;  // the intrinsic would need -mxsave, which this file is not compiled with
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
#endif
}

struct Cpu {
  std::string features;
  bool avx2 = false, avxvnni = false, avx512 = false, vnni = false, bf16 = false, amx = false;  // levels
};

// Bits: Intel SDM volume 2A, CPUID; volume 1, section 13.1 for XCR0.
Cpu Detect() {
  const Registers leaf1 = Cpuid(1, 0), leaf7 = Cpuid(7, 0), leaf7_1 = Cpuid(7, 1);
  const uint64_t state = EnabledState(leaf1);
  const auto saved = [state](uint64_t mask) { return (state & mask) == mask; };
  const bool ymm = saved(0x6), zmm = saved(0xE6), tiles = saved(0x60000);

  Cpu cpu;
  const auto note = [&cpu](const char* name, uint32_t word, int bit, bool usable) {
    const bool present = usable && (word >> bit & 1u) != 0;
    if (present) cpu.features += (cpu.features.empty() ? "" : " ") + std::string(name);
    return present;
  };
  note("sse4.2", leaf1.ecx, 20, true);
  note("avx", leaf1.ecx, 28, ymm);
  const bool avx2 = note("avx2", leaf7.ebx, 5, ymm);
  const bool fma = note("fma", leaf1.ecx, 12, ymm);
  const bool f16c = note("f16c", leaf1.ecx, 29, ymm);
  const bool avx512f = note("avx512f", leaf7.ebx, 16, zmm);
  const bool avx512bw = note("avx512bw", leaf7.ebx, 30, zmm);
  const bool avx512vl = note("avx512vl", leaf7.ebx, 31, zmm);
  const bool avx512dq = note("avx512dq", leaf7.ebx, 17, zmm);
  const bool avx512vnni = note("avx512vnni", leaf7.ecx, 11, zmm);
  const bool avx512bf16 = note("avx512bf16", leaf7_1.eax, 5, zmm);
  const bool avxvnni = note("avxvnni", leaf7_1.eax, 4, ymm);
  const bool amx_tile = note("amx-tile", leaf7.edx, 24, tiles);
  const bool amx_bf16 = note("amx-bf16", leaf7.edx, 22, tiles);
  const bool amx_int8 = note("amx-int8", leaf7.edx, 25, tiles);
  cpu.avx2 = avx2 && fma && f16c;
  cpu.avxvnni = cpu.avx2 && avxvnni;
  cpu.avx512 = cpu.avx2 && avx512f && avx512bw && avx512vl && avx512dq;
  cpu.vnni = cpu.avx512 && avx512vnni;
  cpu.bf16 = cpu.vnni && avx512bf16;
  cpu.amx = cpu.bf16 && amx_tile && amx_bf16 && amx_int8;
  return cpu;
}

#else

struct Cpu {
  std::string features;
};

Cpu Detect() {
#if defined(__aarch64__) || defined(_M_ARM64)
  return {"neon"};
#else
  return {""};
#endif
}

#endif

const Cpu& ThisCpu() {
  static const Cpu cpu = Detect();
  return cpu;
}

// A level's table: the functions of a vector width and the best kernels for products of the level.
struct Level {
  const char* name;
  bool present;
  const KernelTable* base;
  // Null: as the base has it.
  const LinearKernel* linear_int8 = nullptr;
  const LinearKernel* linear_fp32 = nullptr;
  const LinearKernel* linear_bf16 = nullptr;
  const LinearKernel* linear_bf16x3 = nullptr;
  const AttentionBf16Kernel* attention_bf16 = nullptr;
};

constexpr size_t kMaxLevels = 8;

class Levels {
 public:
  Levels() {
    Add({"generic", true, &kGenericTable});
#if defined(CROSSRANK_X86)
    const Cpu& cpu = ThisCpu();
    Add({"avx2", cpu.avx2, &kAvx2Table, &kLinearInt8Avx2});
    Add({"avxvnni", cpu.avxvnni, &kAvx2Table, &kLinearInt8AvxVnni});
    Add({"avx512", cpu.avx512, &kAvx512Table, &kLinearInt8Avx2, &kLinearFp32Avx512});
    Add({"vnni", cpu.vnni, &kAvx512Table, &kLinearInt8Avx512Vnni, &kLinearFp32Avx512});
    Add({"bf16", cpu.bf16, &kAvx512Table, &kLinearInt8Avx512Vnni, &kLinearFp32Avx512, &kLinearBf16Avx512Bf16,
         nullptr, &kAttentionBf16Avx512Bf16});
#if defined(__linux__)
    Add({"amx", cpu.amx && RequestAmxPermission(), &kAvx512Table, &kLinearInt8Amx, &kLinearFp32Avx512,
         &kLinearBf16Amx, &kLinearBf16x3Amx, &kAttentionBf16Amx});
#else
    Add({"amx", false, &kAvx512Table});
#endif
#endif
    std::reverse(available_, available_ + present_);
  }
  Levels(const Levels&) = delete;

  const char* const* names() const { return names_; }
  const KernelTable* const* available() const { return available_; }

 private:
  // From the weakest to the strongest.
  void Add(const Level& level) {
    names_[count_++] = level.name;
    if (!level.present) return;
    KernelTable& table = tables_[present_];
    table = *level.base;
    table.name = level.name;
    table.base = level.base->name;
    if (level.linear_int8 != nullptr) table.linear_int8 = *level.linear_int8;
    if (level.linear_fp32 != nullptr) table.linear_fp32 = *level.linear_fp32;
    if (level.linear_bf16 != nullptr) table.linear_bf16 = *level.linear_bf16;
    if (level.linear_bf16x3 != nullptr) table.linear_bf16x3 = *level.linear_bf16x3;
    if (level.attention_bf16 != nullptr) table.attention_bf16 = *level.attention_bf16;
    available_[present_++] = &table;
  }

  KernelTable tables_[kMaxLevels] = {};
  const char* names_[kMaxLevels + 1] = {};
  const KernelTable* available_[kMaxLevels + 1] = {};
  size_t count_ = 0, present_ = 0;
};

const Levels& AllLevels() {
  static const Levels levels;
  return levels;
}

// CROSSRANK_CPU names a level to use instead of the fastest. A name that this CPU cannot run, or nobody
// knows, changes nothing.
const KernelTable* Choose() {
  const char* wanted = std::getenv("CROSSRANK_CPU");
  const KernelTable* found = wanted != nullptr ? FindKernels(wanted) : nullptr;
  return found != nullptr ? found : AvailableKernels()[0];
}

#if defined(CROSSRANK_X86)
// The shortest of several runs: others on the machine can only add to it.
double BestSeconds(float (*multiply_add)(size_t steps)) {
  constexpr size_t kSteps = 256;  // 6144 instructions: 1 to 3 us
  double best = 1.0;
  for (int i = 0; i < 16; ++i) {
    const auto start = std::chrono::steady_clock::now();
    [[maybe_unused]] volatile const float result = multiply_add(kSteps);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

bool MeasureBf16() {
  // A step is twice as many multiply-adds in bf16.
  return ThisCpu().bf16 && 2.0 * BestSeconds(MultiplyAddFp32) > 1.3 * BestSeconds(MultiplyAddBf16);
}
#else
bool MeasureBf16() { return false; }
#endif

}  // namespace

const KernelTable& Kernels() {
  static const KernelTable* const chosen = Choose();
  return *chosen;
}

const KernelTable* FindKernels(const char* level) {
  for (auto table = AvailableKernels(); *table != nullptr; ++table) {
    if (std::strcmp(level, (*table)->name) == 0) return *table;
  }
  return nullptr;
}

const KernelTable* const* AvailableKernels() { return AllLevels().available(); }

const char* const* KernelLevels() { return AllLevels().names(); }

bool Bf16BeatsFp32() {
  static const bool beats = MeasureBf16();
  return beats;
}

const char* CpuFeatures() { return ThisCpu().features.c_str(); }

const LinearKernel& LinearFor(const KernelTable& table, Format format) {
  switch (format) {
    case Format::kFp32:
      return table.linear_fp32;
    case Format::kBf16:
      return table.linear_bf16;
    case Format::kBf16x3:
      return table.linear_bf16x3;
    default:
      return table.linear_int8;
  }
}

}  // namespace crossrank::kernels
