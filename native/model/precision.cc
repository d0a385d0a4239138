#include "model/precision.h"

#include <cstdlib>
#include <cstring>

#include "common/error.h"
#include "kernels/amx_permission.h"

namespace crossrank {
namespace {

constexpr Precision kAll[] = {Precision::kAuto, Precision::kFp32, Precision::kBf16x3, Precision::kBf16,
                              Precision::kInt8};

std::string LevelsOfThisCpu() {
  std::string names;
  for (auto table = kernels::AvailableKernels(); *table != nullptr; table++)
    names = (*table)->name + (names.empty() ? "" : ", " + names);
  return names;
}

bool HasAmx(const kernels::KernelTable& kernels) { return kernels.linear_bf16x3.run != nullptr; }

}  // namespace

std::string RefusedFeatures() {
  if (std::strstr(kernels::CpuFeatures(), "amx-tile") == nullptr) return "";
  const std::string refusal = kernels::AmxRefusal();
  return refusal.empty() ? "" : "AMX is refused: " + refusal;
}

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
      return "auto";
    case Precision::kFp32:
      return "fp32";
    case Precision::kBf16x3:
      return "bf16x3";
    case Precision::kBf16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

Precision ParsePrecision(const std::string& name) {
  for (const Precision precision : kAll) {
    if (name == PrecisionName(precision)) return precision;
  }
  throw Error(ErrorCode::kInvalidArgument, "there is no precision '" + name + "'");
}

const kernels::KernelTable& KernelsOfLevel(const std::string& level) {
  const char* environment = std::getenv("CROSSRANK_CPU");
  const std::string wanted = !level.empty() || environment == nullptr ? level : environment;
  if (wanted.empty()) return kernels::Kernels();
  if (const kernels::KernelTable* table = kernels::FindKernels(wanted.c_str())) return *table;
  const std::string asked = level.empty() ? "CROSSRANK_CPU=" + wanted : "cpu: '" + wanted + "'";
  const std::string refusal = wanted == "amx" ? RefusedFeatures() : "";
  throw Error(ErrorCode::kInvalidArgument, asked + " is not to be had here; this CPU has " +
                                               LevelsOfThisCpu() +
                                               (refusal.empty() ? "" : " (" + refusal + ")"));
}

Precision ResolvePrecision(Precision asked, const kernels::KernelTable& kernels) {
  const bool has_bf16 = kernels.linear_bf16.run != nullptr;
  if (asked == Precision::kAuto) {
    return has_bf16 && (HasAmx(kernels) || kernels::Bf16BeatsFp32()) ? Precision::kBf16 : Precision::kFp32;
  }
  const bool lacking =
      (asked == Precision::kBf16 && !has_bf16) || (asked == Precision::kBf16x3 && !HasAmx(kernels));
  if (!lacking) return asked;
  const std::string refusal = RefusedFeatures();
  throw Error(ErrorCode::kPrecision,
              std::string("precision '") + PrecisionName(asked) + "' needs a CPU with " +
                  (asked == Precision::kBf16 ? "AMX-BF16 or AVX512-BF16" : "AMX-BF16") +
                  ", and the kernels in use are '" + kernels.name + "'" +
                  (refusal.empty() ? "" : " (" + refusal + ")") +
                  "; use 'fp32', 'int8', or 'auto' for the best of what there is");
}

bool HasOwnProducts(Precision precision, const kernels::KernelTable& kernels) {
  return precision != Precision::kFp32 || kernels.linear_fp32.run != nullptr;
}

kernels::Format FormatOf(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return kernels::Format::kFp32;
    case Precision::kInt8:
      return kernels::Format::kInt8;
    case Precision::kBf16x3:
      return kernels::Format::kBf16x3;
    default:
      return kernels::Format::kBf16;
  }
}

}  // namespace crossrank
