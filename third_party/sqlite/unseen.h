// Comparing memory where ThreadSanitizer does not look: for SQLite, which reads the head of its wal-index
// while another connection may be writing it, and finds that out by itself (sqlite.org/walformat.html,
// section 2). It comes before the system's first header, and so includes none.

static inline int quorlite_unseen_memcmp(const void *a, const void *b, __SIZE_TYPE__ size) {
    const unsigned char *left = a, *right = b;
    for (__SIZE_TYPE__ i = 0; i < size; ++i) {
        if (left[i] != right[i]) return left[i] - right[i];
    }
    return 0;
}
#define memcmp quorlite_unseen_memcmp
