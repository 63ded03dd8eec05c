/* The loop of a flock: the same bytes to many sockets, without Python between them.
 *
 * Optional: where this was not built, chatnet/server/flock.py does all of it, and the same. It is
 * a module of its own, because twistd looks for chatnet in the current folder first: what runs in
 * a checkout finds this where chatnet was installed.
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

/* Have the memory fetched that descriptor() reads for sends[at], and for those behind it. */
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
    return (int)fd;
}

/* See on two sockets where they keep their descriptors: before their family, as far as is known. */
static void find_kept(PyObject *family)
{
    PyObject *one = PyObject_CallNoArgs(socket_type), *other = PyObject_CallNoArgs(socket_type);
    PyObject *closed = NULL;
    if (one && other && Py_IS_TYPE(family, &PyMemberDescr_Type)) {
        kept_at = ((PyMemberDescrObject *)family)->d_member->offset - (Py_ssize_t)sizeof(int);
        if (kept_at < (Py_ssize_t)sizeof(PyObject) || kept(one) != told(one)
            || kept(other) != told(other)
            || !(closed = PyObject_CallMethod(one, "close", NULL)) || kept(one) != -1)
            kept_at = 0;
    }
    PyErr_Clear();
    Py_XDECREF(closed);
    Py_XDECREF(one);
    Py_XDECREF(other);
}

static PyObject *send_all(PyObject *module, PyObject *args)
{
    PyObject *sends;
    Py_buffer data;
    Py_ssize_t at = 0, count, sent = 0;
    int fds[AT_ONCE], some, done, whole = 1;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!y*:send_all", &PyList_Type, &sends, &data)) return NULL;
    count = PyList_GET_SIZE(sends);
    while (whole && at < count) {
        for (some = 0; some < AT_ONCE && at + some < count; some++) {
            fetch(sends, at + some);
            fds[some] = descriptor(PyList_GET_ITEM(sends, at + some));
            if (fds[some] < 0) break;
        }
        if (!some) break;
        Py_BEGIN_ALLOW_THREADS
        for (done = 0; done < some; done++) {
            do
                sent = send(fds[done], data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
            while (sent < 0 && errno == EINTR);
            if (sent != data.len) break;
        }
        Py_END_ALLOW_THREADS
        whole = done == some;
        at += done;
        if (PyList_GET_SIZE(sends) != count) break; /* somebody changed it, who may not */
    }
    PyBuffer_Release(&data);
    return Py_BuildValue("nn", at, whole || sent < 0 ? (Py_ssize_t)0 : sent);
}

static PyMethodDef functions[] = {
    { "send_all", send_all, METH_VARARGS,
      "send_all(sends, data)\n--\n\n"
      "Send data through each of sends, while those are sockets' and take all of it.\n\n"
      "Return how many did, and how many bytes of it the next one took." },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_chatnet_sends", NULL, -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__chatnet_sends(void)
{
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
    return PyModule_Create(&definition);
}
