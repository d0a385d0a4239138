#include "model/safetensors.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "common/error.h"
#include "formats/formats_error.h"
#include "model/json.h"

namespace crossrank {
namespace {

namespace fs = std::filesystem;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

DType ToDType(std::string_view name) {
  static constexpr std::pair<std::string_view, DType> kKnown[] = {
      {"BOOL", DType::kBool}, {"U8", DType::kU8},   {"I8", DType::kI8},   {"I16", DType::kI16},
      {"I32", DType::kI32},   {"I64", DType::kI64}, {"F16", DType::kF16}, {"BF16", DType::kBF16},
      {"F32", DType::kF32},   {"F64", DType::kF64},
  };
  for (const auto& [known, dtype] : kKnown) {
    if (known == name) return dtype;
  }
  return DType::kOther;
}

std::vector<Tensor> ReadHeader(const MappedFile& file) {
  cr_safetensors* opened = nullptr;
  cr_error error;
  ThrowIfUnreadable(cr_safetensors_open(file.data(), file.size(), &opened, &error), error, file.path());
  const std::unique_ptr<cr_safetensors, decltype(&cr_safetensors_free)> header(opened, cr_safetensors_free);
  std::vector<Tensor> tensors;
  tensors.reserve(cr_safetensors_count(header.get()));
  cr_tensor tensor;
  for (size_t i = 0; cr_safetensors_tensor(header.get(), i, &tensor) == CR_OK; i++) {
    const std::string_view dtype = ToView(tensor.dtype);
    tensors.push_back({std::string(ToView(tensor.name)), ToDType(dtype), std::string(dtype),
                       std::vector<int64_t>(tensor.dims, tensor.dims + tensor.rank),
                       file.data() + tensor.begin, static_cast<size_t>(tensor.end - tensor.begin)});
  }
  return tensors;
}

// The index comes with the model: it must not lead to a file outside the model's folder.
bool IsPlainFileName(std::string_view name) {
  constexpr std::string_view kForbidden("/\\:\0", 4);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

TensorSet TensorSet::Open(const std::string& folder) {
  const fs::path root = fs::u8path(folder);
  TensorSet set;
  if (Exists(root / kSingleFile)) {
    set.AddFile(MappedFile((root / kSingleFile).u8string()));
  } else if (Exists(root / kIndexFile)) {
    set.OpenShards(folder, MappedFile((root / kIndexFile).u8string()));
  } else {
    throw Error(ErrorCode::kModelNotFound, folder + ": there are no weights; looked for " + kSingleFile +
                                               " and " + kIndexFile +
                                               " (older formats such as pytorch_model.bin are not read)");
  }
  set.IndexNames();
  return set;
}

void TensorSet::AddFile(MappedFile file) {
  for (Tensor& tensor : ReadHeader(file)) tensors_.push_back(std::move(tensor));
  files_.push_back(std::move(file));
}

void TensorSet::OpenShards(const std::string& folder, const MappedFile& index) {
  const Json json = Json::Parse(index.data(), index.size(), index.path());
  const JsonView map = json.root()["weight_map"];
  if (!map.isObject() || map.size() == 0) {
    throw Error(ErrorCode::kModelInvalid,
                index.path() + ": \"weight_map\" must be an object of tensor and file names");
  }
  // Shard of each tensor that the index names; an entry is taken out when its shard holds the tensor.
  std::unordered_map<std::string, std::unordered_map<std::string_view, size_t>> wanted;
  for (size_t i = 0; i < map.size(); i++) {
    const std::string_view name = map.key(i);
    const std::string_view shard = map.value(i).isString() ? map.value(i).string() : std::string_view();
    if (!IsPlainFileName(shard)) {
      throw Error(ErrorCode::kModelInvalid,
                  index.path() + ": tensor \"" + std::string(name) +
                      "\" must lie in a file of the same folder, but is said to lie in \"" +
                      std::string(shard) + "\"");
    }
    wanted[std::string(shard)].emplace(name, i);
  }
  for (auto& [shard, names] : wanted) {
    MappedFile file((fs::u8path(folder) / fs::u8path(shard)).u8string());
    for (Tensor& tensor : ReadHeader(file)) {
      if (names.erase(tensor.name) == 1) tensors_.push_back(std::move(tensor));
    }
    if (!names.empty()) {
      throw Error(ErrorCode::kModelInvalid, file.path() + ": tensor \"" + std::string(names.begin()->first) +
                                                "\" is missing, which " + kIndexFile +
                                                " promises; download the model again");
    }
    files_.push_back(std::move(file));
  }
}

void TensorSet::IndexNames() {
  by_name_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); i++) by_name_.emplace(tensors_[i].name, i);
}

const Tensor* TensorSet::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void TensorSet::ReleasePages() const noexcept {
  for (const MappedFile& file : files_) file.ReleasePages();
}

}  // namespace crossrank
