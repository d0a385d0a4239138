#include "engine/memory_estimate.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/error.h"
#include "engine/model_folder.h"
#include "model/config_reader.h"
#include "model/packed_graph.h"
#include "model/weight_reader.h"

namespace crossrank {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMegabyte = size_t{1} << 20;

// A session without weights: graph, kernels, ONNX Runtime's allocator.
constexpr size_t kSessionBytes = 8 * kMegabyte;
// A parsed tokenizer.json, times the file: vocabulary, merges and their indexes.
constexpr size_t kTokenizerFactor = 12;
// Stacks, texts and tokens of a lane.
constexpr size_t kLaneBytes = 4 * kMegabyte;
// ONNX Runtime's allocator asks for powers of two.
constexpr size_t kArenaFactor = 2;

size_t FileBytes(const fs::path& path) {
  std::error_code missing;
  const auto bytes = fs::file_size(path, missing);
  return missing ? 0 : static_cast<size_t>(bytes);
}

// Of a chunk without padding: rows of some six hidden sizes (residual, query, key, value, context, sum) and
// two intermediate ones are alive at once.
size_t PackedLane(const ModelSpec& spec, size_t tokens) {
  return kLaneBytes +
         kArenaFactor * tokens * (6 * spec.hidden_size + 2 * spec.intermediate_size) * sizeof(float);
}

MemoryEstimate EstimatePacked(const LoadOptions& load, const EngineOptions& engine, const Json& config,
                              Cancellation& cancellation) {
  const Architecture architecture = DescribeModel(config.root(), load.pooling);
  const kernels::KernelTable& kernels = KernelsOf(load);
  const Precision precision = ResolvePrecision(load.precision, kernels);
  const TensorSet tensors = TensorSet::Open(load.folder);
  WeightReader reader(tensors, architecture.prefix, cancellation);
  // Nothing is read or packed: memory that the program reserves is never touched.
  const GraphProgram program = BuildPackedGraph(architecture, reader, precision, kernels);
  MemoryEstimate out;
  out.weights = {PrecisionName(precision) + std::string(kernels.name), reader.bytes() + kSessionBytes};
  out.loading = reader.converted_bytes();
  out.lanes = engine.lanes * PackedLane(architecture.spec, ChunkTokens(engine, true));
  return out;
}

// An exported graph pads, and keeps attention scores of all rows and heads. What config.json does not say is
// taken from BERT-base.
MemoryEstimate EstimateExported(const LoadOptions& load, const EngineOptions& engine,
                                const std::string& path) {
  size_t hidden = 768, intermediate = 3072, heads = 12, row_tokens = 512;
  if (IsFile(FilePath(load.folder, "config.json"))) {
    const Json config = ReadJson(load.folder, "config.json");
    if (config.root().isObject()) {
      const ConfigReader reader(config.root());
      hidden = reader.Size("hidden_size", hidden);
      intermediate = reader.Size("intermediate_size", intermediate);
      heads = reader.Size("num_attention_heads", heads);
      row_tokens = std::min(row_tokens, reader.Size("max_position_embeddings", row_tokens));
    }
  }
  const size_t tokens = std::max(row_tokens, ChunkTokens(engine, false));
  const size_t floats = tokens * (6 * hidden + 2 * intermediate + 2 * heads * row_tokens);
  size_t bytes = 0;  // tensors too large for the graph's file lie beside it
  for (const auto& file : fs::directory_iterator(fs::u8path(path).parent_path())) {
    const std::string extension = file.path().extension().u8string();
    if (file.path() == fs::u8path(path) || extension == ".data" || extension == ".onnx_data")
      bytes += FileBytes(file.path());
  }
  MemoryEstimate out;
  out.weights = {path, bytes + kSessionBytes};
  out.loading = bytes;  // the file, while its tensors are copied and packed
  out.lanes = engine.lanes * (kLaneBytes + floats * sizeof(float));
  return out;
}

}  // namespace

MemoryEstimate EstimateMemory(const LoadOptions& load, const EngineOptions& engine,
                              Cancellation& cancellation) {
  const WeightFiles found = FindWeights(load.folder);
  const auto estimate = [&] {
    if (!found.safetensors) return EstimateExported(load, engine, found.exported);
    try {
      return EstimatePacked(load, engine, ReadJson(load.folder, "config.json"), cancellation);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kModelUnsupported || found.exported.empty()) throw;
      return EstimateExported(load, engine, found.exported);
    }
  };
  MemoryEstimate out = estimate();
  const std::string files = FilesKey(load.folder);
  out.weights.key += files + (load.pooling ? load.pooling->key() : "");
  out.tokenizer = {files + (load.literal_special_tokens ? "literal" : ""),
                   kTokenizerFactor * FileBytes(FilePath(load.folder, "tokenizer.json"))};
  return out;
}

size_t TotalMemory(const std::vector<const MemoryEstimate*>& models) {
  std::set<std::string> counted;
  size_t total = 0;
  for (const MemoryEstimate* model : models) {
    for (const MemoryEstimate::Part* part : {&model->weights, &model->tokenizer}) {
      if (counted.insert(part->key).second) total += part->bytes;
    }
    total += model->lanes + model->loading;
  }
  return total;
}

}  // namespace crossrank
