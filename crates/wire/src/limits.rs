//! The limits of what a body may look like, whatever its operation.

/// How deep lists and maps may nest in a body. AWS's inputs need six. It is the JSON reader's own
/// limit too; what JSON nests deeper in an unknown member is passed over, without using the stack.
pub const NESTING_MAX: usize = 128;

/// How many parameters, and groups of them, a form may have: room for a thousand metrics with their
/// dimensions, and about 32 MiB at worst (our choice).
pub const FORM_NODES_MAX: usize = 50_000;

/// How many validation errors AWS reports at most.
pub const VALIDATION_ERRORS_MAX: usize = 10;

/// The longest event-stream message, as AWS's SDKs read it: 16 MiB of payload and 128 KiB of headers
/// with their frame.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024 + 128 * 1024 + 16;

/// The longest block of headers in an event-stream message.
pub const FRAME_HEADERS_BYTES_MAX: usize = 128 * 1024;

/// How much of a refused value a validation error quotes. AWS quotes all of it; a body of empty
/// records would make that a hundred times the body.
pub const EXPLAINED_VALUE_BYTES_MAX: usize = 64 * 1024;
