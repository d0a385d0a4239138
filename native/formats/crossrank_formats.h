/* C ABI of the Rust crate `crossrank-formats`: everything that parses bytes from outside (tokenizer.json,
 * config.json, safetensors headers), and what tells texts apart.
 *
 * Errors     A function that can fail returns a cr_status. Anything but CR_OK fills `error` (which may be
 * NULL) and leaves no object behind. A panic inside Rust never crosses: it becomes CR_PANIC, and the handle
 * stays usable. Ownership  What cr_X_load/parse/open/encode gives is freed with the matching free function,
 * once; NULL is allowed. Pointers inside results are borrowed from the object they came from and die with it.
 *            Input bytes are only read during the call; no object keeps them.
 * Threads    Every object is immutable after it was made: any number of threads may read one, and
 * cr_tokenizer_encode may run on one tokenizer from several threads at once. Nothing here starts a thread.
 * Free when nobody reads. Text       UTF-8 with a length, not terminated. Messages in cr_error are terminated
 * and cut at a character. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cr_status {
  CR_OK = 0,
  CR_INVALID_ARGUMENT = 1, /* a NULL where none may be, or an index out of range */
  CR_INVALID_UTF8 = 2,     /* a text to encode is not UTF-8 */
  CR_MALFORMED = 3,        /* the bytes are not a valid file of this kind */
  CR_UNSUPPORTED = 4,      /* valid, but of a kind that crossrank cannot use */
  CR_ENCODE = 5,           /* the tokenizer could not encode a text */
  CR_PANIC = 6             /* a bug in a dependency that the input set off */
} cr_status;

#define CR_NO_INDEX UINT64_MAX

typedef struct cr_error {
  uint64_t index;     /* which text of a batch failed, else CR_NO_INDEX */
  char message[1016]; /* what is wrong; the caller puts the file or text before it: "PATH: MESSAGE" */
} cr_error;

typedef struct cr_text {
  const uint8_t* data; /* may be NULL when size is 0 */
  size_t size;
} cr_text;

/* Grows with every incompatible change of this header. */
#define CR_FORMATS_ABI 2u
uint32_t cr_formats_abi(void);

/* ---- tokenizer.json
 * ---------------------------------------------------------------------------------------------- */

typedef struct cr_tokenizer cr_tokenizer;

/* A text that spells a special token (`[SEP]`, `</s>`) is ordinary text: no special token can be smuggled in.
 */
#define CR_TOKENIZER_LITERAL_SPECIAL_TOKENS 1u

/* Truncation and padding stored in the file, and the random dropout of BPE training, are switched off. */
cr_status cr_tokenizer_load(const uint8_t* json, size_t size, uint32_t flags, cr_tokenizer** out,
                            cr_error* error);
void cr_tokenizer_free(cr_tokenizer* tokenizer);

typedef struct cr_batch {
  const uint32_t* ids;    /* the tokens of all texts, end to end */
  const uint32_t* starts; /* where each token begins in its text, and where it ends; NULL unless asked for */
  const uint32_t* ends;
  const uint64_t* row_starts; /* rows + 1 values; text i is ids[row_starts[i]] .. ids[row_starts[i + 1]] */
  size_t rows;
  void* owner; /* for cr_batch_free */
} cr_batch;

/* Tell where tokens lie, in UTF-16 code units of the text as it was given, before any normalization. Always
 * inside the text and between whole characters; tokens that share a character overlap, and one that stands
 * for nothing in the text is empty. Takes a tenth to a fifth longer than ids alone (measured). */
#define CR_ENCODE_OFFSETS 1u

/* Encodes on the calling thread, without the special tokens of the template. Each text must be below 4 GiB.
 */
cr_status cr_tokenizer_encode(const cr_tokenizer* tokenizer, const cr_text* texts, size_t count,
                              uint32_t flags, cr_batch* out, cr_error* error);
void cr_batch_free(cr_batch* batch); /* also clears the struct, so a second call does nothing */

enum { CR_PIECE_SPECIAL = 0, CR_PIECE_A = 1, CR_PIECE_B = 2 };

typedef struct cr_piece {
  uint32_t kind; /* CR_PIECE_*: a special token, the place of the first text, the place of the second text */
  uint32_t id;   /* the special token; 0 for A and B */
  uint32_t type_id; /* token_type_ids of this token, or of every token of the text */
} cr_piece;

/* The pieces around one text (pair == 0) or two texts, as the file's post-processor lays them out. Borrowed.
 * CR_UNSUPPORTED when it does not place each text exactly once, A before B. */
cr_status cr_tokenizer_template(const cr_tokenizer* tokenizer, int pair, const cr_piece** pieces,
                                size_t* count, cr_error* error);

size_t cr_tokenizer_vocab_size(const cr_tokenizer* tokenizer); /* with added tokens */
/* Returns 1 and sets *id, or returns 0 when there is no such token. */
int cr_tokenizer_token_to_id(const cr_tokenizer* tokenizer, cr_text token, uint32_t* id);

/* ---- JSON
 * -------------------------------------------------------------------------------------------------------- */

typedef struct cr_json cr_json;           /* a document */
typedef struct cr_json_node cr_json_node; /* a value inside, borrowed from its document */

typedef enum cr_json_kind {
  CR_JSON_NULL = 0,
  CR_JSON_BOOL = 1,
  CR_JSON_NUMBER = 2,
  CR_JSON_STRING = 3,
  CR_JSON_ARRAY = 4,
  CR_JSON_OBJECT = 5
} cr_json_kind;

/* At most 127 levels deep; of a key given twice the last value counts; NaN and Infinity are refused. */
cr_status cr_json_parse(const uint8_t* json, size_t size, cr_json** out, cr_error* error);
void cr_json_free(cr_json* document);
const cr_json_node* cr_json_root(const cr_json* document);

/* The accessors cannot fail: on NULL, or a value of another kind, they return a null kind, 0, NULL or an
 * empty text. */
cr_json_kind cr_json_kind_of(const cr_json_node* node);
size_t cr_json_size(const cr_json_node* node); /* elements of an array, members of an object */
const cr_json_node* cr_json_value(const cr_json_node* node, size_t index);
cr_text cr_json_key(const cr_json_node* node, size_t index); /* members are sorted by key */
const cr_json_node* cr_json_member(const cr_json_node* node, cr_text key);
double cr_json_number(const cr_json_node* node);
int cr_json_bool(const cr_json_node* node);
cr_text cr_json_string(const cr_json_node* node);

/* ---- safetensors
 * ------------------------------------------------------------------------------------------------- */

typedef struct cr_safetensors cr_safetensors;

typedef struct cr_tensor {
  cr_text name;
  cr_text dtype; /* as the file spells it: "F32", "BF16" ... */
  const int64_t* dims;
  size_t rank;
  uint64_t begin, end; /* where its bytes lie, counted from the start of the file; inside the file, checked */
} cr_tensor;

/* Reads the header of a whole file in memory. Tensors come in the order of their bytes. */
cr_status cr_safetensors_open(const uint8_t* file, size_t size, cr_safetensors** out, cr_error* error);
void cr_safetensors_free(cr_safetensors* file);
size_t cr_safetensors_count(const cr_safetensors* file);
cr_status cr_safetensors_tensor(const cr_safetensors* file, size_t index, cr_tensor* out);

/* ---- fingerprints
 * ------------------------------------------------------------------------------------------------ */

/* SipHash-2-4 with 128 bits: without the key nobody can make two texts alike. */
cr_status cr_fingerprint(const uint64_t key[2], cr_text text, uint64_t out[2]);

#ifdef __cplusplus
}
#endif
