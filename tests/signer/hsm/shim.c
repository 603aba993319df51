/* A PKCS#11 library between its caller and SoftHSM, which can be told to fail.
 *
 * $SHIM_MODULE is the library behind it. $SHIM_ORDERS is a file of one word, read at each call:
 *
 *     wrong      C_Sign gives a signature with one bit turned
 *     short      C_Sign gives one byte less
 *     other      C_SignInit takes the private key with the label "other" instead
 *     silent     C_Sign sleeps five seconds, then signs
 *     removed    C_Sign fails: CKR_DEVICE_REMOVED
 *     general    C_Sign fails: CKR_GENERAL_ERROR
 *     last       C_GetTokenInfo says that one more wrong PIN locks the token
 *     locked     C_GetTokenInfo says that it is locked
 *     plain      C_GenerateKeyPair knows no CKA_COPYABLE
 *
 * In $SHIM_CALLS there is a letter for each call: I(nitialize), L(ogin), O(pen session), S(ign).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef ulong (*call)();
typedef struct { ulong type; void *value; ulong length; } attribute;
typedef struct { unsigned char version[2]; call f[68]; } functions;

enum { INITIALIZE = 0, TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, FIND_INIT = 26, FIND = 27,
       FIND_FINAL = 28, SIGN_INIT = 42, SIGN = 43, GENERATE_PAIR = 59 };
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_REMOVED = 0x32, TYPE_INVALID = 0x12 };

static functions *real, ours;

static int told(const char *order)
{
    char word[32] = "";
    FILE *file = fopen(getenv("SHIM_ORDERS"), "r");
    if (!file)
        return 0;
    if (fscanf(file, "%31s", word) != 1)
        word[0] = 0;
    fclose(file);
    return !strcmp(word, order);
}

static void note(const char *letter)
{
    int fd = open(getenv("SHIM_CALLS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(fd, letter, 1) != 1)
        abort();
    close(fd);
}

static ulong initialize(void *arguments) { note("I"); return real->f[INITIALIZE](arguments); }

static ulong login(ulong session, ulong user, unsigned char *pin, ulong length)
{
    note("L");
    return real->f[LOGIN](session, user, pin, length);
}

static ulong open_session(ulong slot, ulong flags, void *a, void *b, ulong *session)
{
    note("O");
    return real->f[OPEN_SESSION](slot, flags, a, b, session);
}

static ulong token_info(ulong slot, unsigned char *info)
{
    ulong found = real->f[TOKEN_INFO](slot, info);
    ulong *flags = (ulong *)(info + 96); /* after label, manufacturer, model, and serial */
    if (found == OK && told("last"))
        *flags |= 0x00020000;
    if (found == OK && told("locked"))
        *flags |= 0x00040000;
    return found;
}

static ulong sign_init(ulong session, void *mechanism, ulong key)
{
    if (told("other")) {
        attribute label = { 3, "other", 5 }, private = { 0, &(ulong){ 3 }, sizeof(ulong) };
        attribute template[] = { label, private };
        ulong count = 0;
        real->f[FIND_INIT](session, template, 2UL);
        real->f[FIND](session, &key, 1UL, &count);
        real->f[FIND_FINAL](session);
        if (count != 1)
            abort();
    }
    return real->f[SIGN_INIT](session, mechanism, key);
}

static ulong sign(ulong session, void *data, ulong size, unsigned char *to, ulong *length)
{
    ulong found;
    if (!to) /* is only asked how long it will be */
        return real->f[SIGN](session, data, size, to, length);
    note("S");
    if (told("removed"))
        return DEVICE_REMOVED;
    if (told("general"))
        return GENERAL_ERROR;
    if (told("silent"))
        sleep(5);
    found = real->f[SIGN](session, data, size, to, length);
    if (found == OK && told("wrong"))
        to[*length / 2] ^= 1;
    if (found == OK && told("short"))
        *length -= 1;
    return found;
}

static ulong generate_pair(ulong session, void *mechanism, attribute *public, ulong n,
                           attribute *private, ulong m, ulong *made, ulong *kept)
{
    ulong i;
    for (i = 0; i < m; i++)
        if (private[i].type == 0x171 && told("plain"))
            return TYPE_INVALID;
    return real->f[GENERATE_PAIR](session, mechanism, public, n, private, m, made, kept);
}

ulong C_GetFunctionList(functions **list)
{
    void *module = dlopen(getenv("SHIM_MODULE"), RTLD_NOW);
    call get = module ? (call)dlsym(module, "C_GetFunctionList") : 0;
    if (!get || get(&real) != OK)
        return GENERAL_ERROR;
    ours = *real;
    ours.f[INITIALIZE] = (call)initialize;
    ours.f[LOGIN] = (call)login;
    ours.f[OPEN_SESSION] = (call)open_session;
    ours.f[TOKEN_INFO] = (call)token_info;
    ours.f[SIGN_INIT] = (call)sign_init;
    ours.f[SIGN] = (call)sign;
    ours.f[GENERATE_PAIR] = (call)generate_pair;
    *list = &ours;
    return OK;
}
