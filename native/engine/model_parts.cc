#include "engine/model_parts.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "common/shared_cache.h"

namespace crossrank {
namespace {

namespace fs = std::filesystem;

// Never destroyed: models may be loaded while the process exits.
template <class Value>
SharedCache<Value>& TheCache() {
  static auto* cache = new SharedCache<Value>;
  return *cache;
}

void AddFiles(const fs::path& folder, std::vector<std::string>& files) {
  for (const fs::directory_entry& file : fs::directory_iterator(folder)) {
    std::error_code broken_link;
    const fs::path path = fs::canonical(file.path(), broken_link);
    if (broken_link || !fs::is_regular_file(path)) continue;
    files.push_back(path.u8string() + " " + std::to_string(fs::file_size(path)) + " " +
                    std::to_string(fs::last_write_time(path).time_since_epoch().count()));
  }
}

}  // namespace

std::string FilesKey(const std::string& folder) {
  std::vector<std::string> files;
  AddFiles(fs::u8path(folder), files);
  const fs::path exported = fs::u8path(folder) / "onnx";
  std::error_code missing;
  if (fs::is_directory(exported, missing)) AddFiles(exported, files);
  std::sort(files.begin(), files.end());
  std::string key;
  for (const std::string& file : files) key += file + "\n";
  return key;
}

std::shared_ptr<LoadedWeights> ShareWeights(const std::string& key, Cancellation& cancellation,
                                            const std::function<std::shared_ptr<LoadedWeights>()>& load) {
  return TheCache<LoadedWeights>().Get(key, cancellation, load);
}

PendingTokenizer LoadTokenizer(const std::string& files_key, const std::string& path,
                               bool literal_special_tokens) {
  return PendingTokenizer([key = files_key + (literal_special_tokens ? "literal" : ""), path,
                           literal_special_tokens]() -> std::shared_ptr<const Tokenizer> {
    Cancellation never;
    return TheCache<Tokenizer>().Get(key, never, [&] {
      return std::make_shared<Tokenizer>(Tokenizer::Load(path, literal_special_tokens));
    });
  });
}

}  // namespace crossrank
