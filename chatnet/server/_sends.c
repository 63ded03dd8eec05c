/* The loop of a flock: the same bytes to many sockets, without Python between them, TLS or not.
 *
 * Optional: where this was not built, chatnet/server/flock.py and chatnet/wires/records.py do all
 * of it, and the same. It is a module of its own, because twistd looks for chatnet in the current
 * folder first: what runs in a checkout finds this where chatnet was installed.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE */
#endif
#define AT_ONCE 256 /* sockets that are sent to before others may have the interpreter */

#define AHEAD 8 /* of those whose memory is asked for before it is needed: it is in no cache */
#ifdef __GNUC__
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)(address))
#endif

static PyObject *socket_type; /* socket.socket */
static PyCFunction socket_send; /* what its send is, in C */
static Py_ssize_t kept_at; /* where a socket keeps its descriptor; 0: it has to be asked for it */

/* Return the socket whose send method that is; NULL if it is none. */
static PyObject *socket_of(PyObject *send)
{
    PyObject *socket;
    if (!PyCFunction_Check(send) || PyCFunction_GET_FUNCTION(send) != socket_send) return NULL;
    socket = PyCFunction_GET_SELF(send);
    return socket && PyObject_TypeCheck(socket, (PyTypeObject *)socket_type) ? socket : NULL;
}

static int kept(PyObject *socket) { return *(int *)((char *)socket + kept_at); }

/* Return the descriptor of the socket whose send method that is; -1 if it is none, or is closed. */
static int descriptor(PyObject *send)
{
    PyObject *socket = socket_of(send);
    int fd;
    if (!socket) return -1;
    if (kept_at) return kept(socket);
    fd = PyObject_AsFileDescriptor(socket);
    if (fd < 0) PyErr_Clear();
    return fd;
}

/* Have the memory fetched that descriptor() will read for those behind sends[at]. */
static void fetch(PyObject *sends, Py_ssize_t at)
{
    Py_ssize_t count = PyList_GET_SIZE(sends);
    if (at + 2 * AHEAD < count) FETCH(PyList_GET_ITEM(sends, at + 2 * AHEAD));
    if (at + AHEAD < count && PyCFunction_Check(PyList_GET_ITEM(sends, at + AHEAD)))
        FETCH(PyCFunction_GET_SELF(PyList_GET_ITEM(sends, at + AHEAD)));
}

/* Return the descriptor that socket tells; -2 if it tells none. */
static int told(PyObject *socket)
{
    PyObject *number = PyObject_CallMethod(socket, "fileno", NULL);
    long fd = number ? PyLong_AsLong(number) : -2;
    Py_XDECREF(number);
    if (PyErr_Occurred()) PyErr_Clear();
    return (int)fd;
}

static int closes(PyObject *socket)
{
    PyObject *done = PyObject_CallMethod(socket, "close", NULL);
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    return done != NULL;
}

/* See on two sockets where they keep their descriptors: before their family, as far as is known. */
static void find_kept(PyObject *family)
{
    PyObject *one, *other;
    if (!Py_IS_TYPE(family, &PyMemberDescr_Type)) return;
    one = PyObject_CallNoArgs(socket_type);
    other = one ? PyObject_CallNoArgs(socket_type) : NULL;
    if (!other) PyErr_Clear();
    if (one && other) {
        kept_at = ((PyMemberDescrObject *)family)->d_member->offset - (Py_ssize_t)sizeof(int);
        if (kept_at < (Py_ssize_t)sizeof(PyObject) || kept(one) != told(one)
            || kept(other) != told(other))
            kept_at = 0;
    }
    if (other && !closes(other)) kept_at = 0;
    if (one && (!closes(one) || (kept_at && kept(one) != -1))) kept_at = 0;
    Py_XDECREF(one);
    Py_XDECREF(other);
}

/* Send data, and again if a signal came; return how many bytes were taken, -1 for none. */
static Py_ssize_t pass(int fd, const void *data, Py_ssize_t length)
{
    Py_ssize_t sent;
    do
        sent = send(fd, data, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* -- TLS: what chatnet/wires/records.py does in Python ------------------------------------- */

#define LONGEST 16384 /* bytes in one record, RFC 8446 section 5.1 */
#define ROOM 32768 /* bytes that one record takes at most, and some more */

/* OpenSSL's SSL_write and BIO_read: of the library that pyOpenSSL uses, which is its own. */
static int (*ssl_write)(void *ssl, const void *data, int length);
static int (*bio_read)(void *bio, void *room, int length);
static PyObject *named[5]; /* attributes of the connections, as below */
enum { APP_SEND_BUFFER, DISCONNECTING, LOST_TLS_CONNECTION, DATA_BUFFER, TEMP_DATA_BUFFER };

typedef struct {
    PyObject_HEAD
    PyObject *tls, *plain, *send, *cipher; /* Twisted's two, the socket's send; pyOpenSSL's */
    void *ssl, *bio; /* of the cipher */
} Records;

static int is_set(PyObject *object, int name)
{
    PyObject *value = PyObject_GetAttr(object, named[name]);
    int set = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return set;
}

/* Let round, which iterates over a list, go on at number at; return -1 with an exception. */
static int set_round(PyObject *round, Py_ssize_t at)
{
    PyObject *done = PyObject_CallMethod(round, "__setstate__", "n", at);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Have the reactor send what a record still has; return -1 with an exception. */
static int leave(Records *self, const char *rest, Py_ssize_t length)
{
    PyObject *done = PyObject_CallMethod(self->plain, "write", "y#", rest, length);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Send a record with data, or have the reactor send it: for that, if this is part of a round, it is
 * said that it has come to number at. Return 1; 0 if it is for Twisted to say, and nothing was done;
 * -1 with an exception. */
static int transmit(Records *self, const void *data, Py_ssize_t length, PyObject *round,
                    Py_ssize_t at)
{
    char record[ROOM];
    int set = 0, waits = 0, fd, written, size = 0;
    Py_ssize_t sent = 0;
    if (!self->tls) {
        PyErr_SetString(PyExc_OSError, "it is gone"); /* the garbage collector was here */
        return -1;
    }
    if (length > LONGEST) return 0;
    for (int name = APP_SEND_BUFFER; name <= LOST_TLS_CONNECTION; name++)
        if ((set = is_set(self->tls, name))) return set < 0 ? -1 : 0;
    for (int name = DATA_BUFFER; name <= TEMP_DATA_BUFFER && !waits; name++)
        if ((waits = is_set(self->plain, name)) < 0) return -1;
    fd = waits ? -1 : descriptor(self->send);
    Py_BEGIN_ALLOW_THREADS
    written = ssl_write(self->ssl, data, (int)length);
    if (written > 0) size = bio_read(self->bio, record, ROOM);
    if (size > 0 && fd >= 0) sent = pass(fd, record, size);
    Py_END_ALLOW_THREADS
    if (written <= 0) return 0;
    if (sent < 0) sent = 0; /* full, or broken: the reactor finds out which */
    if (sent < size) {
        if (round && set_round(round, at + 1) < 0) return -1;
        if (leave(self, record + sent, size - sent) < 0) return -1;
    }
    return 1;
}

static PyObject *records_send(PyObject *self_, PyObject *data)
{
    Records *self = (Records *)self_;
    PyObject *done;
    Py_buffer view;
    Py_ssize_t length;
    int sent;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return NULL;
    length = view.len;
    sent = transmit(self, view.buf, length, NULL, 0);
    PyBuffer_Release(&view);
    if (sent < 0) return NULL;
    if (!sent) {
        done = PyObject_CallMethod(self->tls, "write", "O", data);
        if (!done) return NULL;
        Py_DECREF(done);
    }
    return PyLong_FromSsize_t(length);
}

static int records_traverse(PyObject *self_, visitproc visit, void *arg)
{
    Records *self = (Records *)self_;
    Py_VISIT(self->tls);
    Py_VISIT(self->plain);
    Py_VISIT(self->send);
    Py_VISIT(self->cipher);
    return 0;
}

static int records_clear(PyObject *self_)
{
    Records *self = (Records *)self_;
    self->ssl = self->bio = NULL;
    Py_CLEAR(self->tls);
    Py_CLEAR(self->plain);
    Py_CLEAR(self->send);
    Py_CLEAR(self->cipher);
    return 0;
}

static void records_free(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    records_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *records_new(PyTypeObject *type, PyObject *args, PyObject *named_args)
{
    PyObject *tls, *plain, *send, *cipher;
    unsigned long long to_write, to_read, ssl, bio;
    Records *self;
    if (named_args && PyDict_GET_SIZE(named_args)) {
        PyErr_SetString(PyExc_TypeError, "Records() takes no named arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOOO(KKKK):Records", &tls, &plain, &send, &cipher, &to_write,
                          &to_read, &ssl, &bio))
        return NULL;
    if (!(to_write && to_read && ssl && bio)) {
        PyErr_SetString(PyExc_ValueError, "there is nothing at address 0");
        return NULL;
    }
    self = (Records *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    ssl_write = (int (*)(void *, const void *, int))(uintptr_t)to_write;
    bio_read = (int (*)(void *, void *, int))(uintptr_t)to_read;
    self->ssl = (void *)(uintptr_t)ssl;
    self->bio = (void *)(uintptr_t)bio;
    Py_INCREF(self->tls = tls);
    Py_INCREF(self->plain = plain);
    Py_INCREF(self->send = send);
    Py_INCREF(self->cipher = cipher);
    return (PyObject *)self;
}

static PyMethodDef records_methods[] = {
    { "send", records_send, METH_O, "Send data, or leave it to Twisted; return its length." },
    { NULL, NULL, 0, NULL },
};

static PyTypeObject RecordsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "_chatnet_sends.Records",
    .tp_doc = "Records(tls, plain, send, cipher, (SSL_write, BIO_read, ssl, bio))\n--\n\n"
              "Sends through tls, as chatnet.wires.records.Records; the last are addresses.",
    .tp_basicsize = sizeof(Records),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = records_new,
    .tp_dealloc = records_free,
    .tp_traverse = records_traverse,
    .tp_clear = records_clear,
    .tp_methods = records_methods,
};

/* Return the records whose send method that is; NULL if it is none of theirs. */
static Records *records_of(PyObject *send)
{
    if (!PyCFunction_Check(send) || PyCFunction_GET_FUNCTION(send) != records_send) return NULL;
    return (Records *)PyCFunction_GET_SELF(send);
}

/* -- the loop ------------------------------------------------------------------------------ */

static PyObject *send_all(PyObject *module, PyObject *args)
{
    PyObject *sends, *round;
    Py_buffer data;
    Records *records;
    Py_ssize_t at = 0, count, sent = 0;
    int fds[AT_ONCE], some, done, whole = 1;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!y*O:send_all", &PyList_Type, &sends, &data, &round)) return NULL;
    count = PyList_GET_SIZE(sends);
    while (whole > 0 && at < count) {
        records = records_of(PyList_GET_ITEM(sends, at));
        if (records) {
            fetch(sends, at);
            Py_INCREF(records);
            whole = transmit(records, data.buf, data.len, round, at);
            Py_DECREF(records);
            sent = 0;
            at += whole != 0;
        } else {
            for (some = 0; some < AT_ONCE && at + some < count; some++) {
                fetch(sends, at + some);
                fds[some] = descriptor(PyList_GET_ITEM(sends, at + some));
                if (fds[some] < 0) break;
            }
            if (!some) break;
            Py_BEGIN_ALLOW_THREADS
            for (done = 0; done < some; done++)
                if ((sent = pass(fds[done], data.buf, data.len)) != data.len) break;
            Py_END_ALLOW_THREADS
            whole = done == some;
            at += done;
        }
        if (PyList_GET_SIZE(sends) != count) break; /* somebody changed it, who may not */
    }
    PyBuffer_Release(&data);
    if (whole < 0) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        if (set_round(round, at) < 0) PyErr_Clear();
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    if (set_round(round, at) < 0) return NULL;
    return PyLong_FromSsize_t(whole || sent < 0 ? (Py_ssize_t)0 : sent);
}

static PyMethodDef functions[] = {
    { "send_all", send_all, METH_VARARGS,
      "send_all(sends, data, round)\n--\n\n"
      "Send data through each of sends, while those are sockets' or Records' and take all.\n\n"
      "Let round, which iterates over sends, go on at the first one that did not, and return how\n"
      "many bytes that one took. Whatever a connection raises is raised, behind whose it is." },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_chatnet_sends", NULL, -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__chatnet_sends(void)
{
    static const char *names[] = { "_appSendBuffer", "disconnecting", "_lostTLSConnection",
                                   "dataBuffer", "_tempDataBuffer" };
    PyObject *module = PyImport_ImportModule("socket"), *send = NULL, *family = NULL;
    if (!module) return NULL;
    socket_type = PyObject_GetAttrString(module, "socket");
    Py_DECREF(module);
    if (!socket_type) return NULL;
    send = PyObject_GetAttrString(socket_type, "send");
    if (!send) return NULL;
    if (!PyType_Check(socket_type) || !Py_IS_TYPE(send, &PyMethodDescr_Type)) {
        Py_DECREF(send);
        PyErr_SetString(PyExc_ImportError, "sockets are not as they were");
        return NULL;
    }
    socket_send = ((PyMethodDescrObject *)send)->d_method->ml_meth;
    Py_DECREF(send);
    family = PyObject_GetAttrString((PyObject *)((PyTypeObject *)socket_type)->tp_base, "family");
    if (family) find_kept(family);
    PyErr_Clear();
    Py_XDECREF(family);
    for (int name = APP_SEND_BUFFER; name <= TEMP_DATA_BUFFER; name++)
        if (!(named[name] = PyUnicode_InternFromString(names[name]))) return NULL;
    if (PyType_Ready(&RecordsType) < 0 || !(module = PyModule_Create(&definition))) return NULL;
    if (PyModule_AddObjectRef(module, "Records", (PyObject *)&RecordsType) < 0
        || PyModule_AddObjectRef(module, "descriptors_are_read", kept_at ? Py_True : Py_False) < 0)
        Py_CLEAR(module);
    return module;
}
