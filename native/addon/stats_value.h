// EngineStats as the JavaScript object that lib/telemetry/stats.ts describes.
#pragma once

#include <napi.h>

#include "engine/stats.h"

namespace crossrank::addon {

Napi::Object StatsToJs(Napi::Env env, const EngineStats& stats);

}  // namespace crossrank::addon
