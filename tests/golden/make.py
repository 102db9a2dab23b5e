"""Makes the golden values: arrays that the authors' own programs compute.

    python tests/golden/make.py CHECKOUTS        (needs torch 2.13, CPU)

with these checkouts in the folder CHECKOUTS:

    usb     github.com/microsoft/Semi-supervised-learning   1ef4cbe
    ada_cm  github.com/hangyu94/Ada-CM                      aca2b35
    inpl    github.com/ZhuoranYu/INPL                       454619d
    center  github.com/KaiyangZhou/pytorch-center-loss      082ffa2
    ran     github.com/kaiwang960112/Challenge-condition-FER-dataset   e43d7a0
    abc     github.com/LeeHyuck/ABC                         f70e926
    rul     github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning       63b73f2
    mek     github.com/zyh-uaiaaaa/Mine-Extra-Knowledge     2ec823d

It imports their functions, or cuts them out of scripts that would start to train, and
writes inputs and outputs to `tests/golden/*.npz`, which `tests/test_golden.py` reads.
None of their code is in this repository. What is written here is how their training
loops join these functions.
"""

import ast
import importlib.util
import math
import pathlib
import sys
import types

import numpy as np
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).parent
CLASSES, WIDTH, BATCH, STEPS = 7, 12, 16, 8

torch.Tensor.cuda = lambda self, *_, **__: self


def module(path, name, **stubs):
    """A file as a module; `stubs` stand for the packages that it imports."""
    for stub, content in stubs.items():
        sys.modules[stub.replace("__", ".")] = content
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def functions(path, *names, **given):
    """Functions or classes of a script, which is not run."""
    tree = ast.parse(path.read_text())
    tree.body = [part for part in tree.body if getattr(part, "name", None) in names]
    space = {"torch": torch, "np": np, "nn": torch.nn, "math": math, **given}
    exec(compile(tree, path.name, "exec"), space)
    return [space[name] for name in names]


def lines(path, function, *names):
    """The lines of a function's loop that set some names, as a code object."""
    tree = ast.parse(path.read_text())
    (body,) = (part for part in tree.body if getattr(part, "name", None) == function)
    tree.body = [
        node
        for node in ast.walk(body)
        if isinstance(node, ast.Assign) and {*_targets(node)} & {*names}
    ]
    tree.body.sort(key=lambda node: node.lineno)
    return compile(tree, path.name, "exec")


def _targets(node):
    for target in node.targets:
        for part in getattr(target, "elts", [target]):
            yield getattr(part, "id", None)


class Hook:
    """What the hooks of USB inherit."""

    def __init__(self, *args, **kwargs):
        pass

    def compute_prob(self, logits):
        return torch.softmax(logits, -1)


def usb(checkouts, path, name):
    return module(
        checkouts / "usb/semilearn/algorithms" / path,
        name,
        semilearn=types.ModuleType("semilearn"),
        semilearn__core=types.SimpleNamespace(AlgorithmBase=object),
        semilearn__core__hooks=types.SimpleNamespace(Hook=Hook),
        semilearn__core__utils=types.SimpleNamespace(),
        semilearn__algorithms=types.ModuleType("semilearn.algorithms"),
        semilearn__algorithms__hooks=types.SimpleNamespace(MaskingHook=Hook),
        semilearn__algorithms__utils=types.SimpleNamespace(concat_all_gather=None),
    )


def draws(seed, scale=2.0):
    """Embeddings whose first places are the logits, as the test's classifier has it."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(STEPS, BATCH, WIDTH)) * scale
    return torch.tensor(drawn, dtype=torch.float32)


def logits_of(embeddings):
    return embeddings[:, :CLASSES]


def with_gradient(embeddings):
    return embeddings.clone().requires_grad_()


def cross_entropy(embeddings, labels):
    return F.cross_entropy(logits_of(embeddings), labels, reduction="none")


class Record(dict):
    """name -> values of the steps."""

    def add(self, **values):
        for name, value in values.items():
            array = torch.as_tensor(value).detach().numpy()
            self.setdefault(name, []).append(array)

    def write(self, name):
        np.savez_compressed(
            OUT / f"{name}.npz", **{key: np.stack(value) for key, value in self.items()}
        )


def freematch(checkouts):
    hook = usb(checkouts, "freematch/utils.py", "usb_freematch")
    hook = hook.FreeMatchThresholingHook(CLASSES, momentum=0.5)
    script = checkouts / "usb/semilearn/algorithms/freematch/freematch.py"
    entropy_loss, _ = functions(script, "entropy_loss", "replace_inf_to_zero")
    settings = types.SimpleNamespace(
        distributed=False, use_quantile=False, clip_thresh=False
    )
    record = Record()
    for weak, strong in zip(draws(0), draws(1), strict=True):
        strong = with_gradient(strong)
        mask = hook.masking(settings, logits_of(weak))
        labels = logits_of(weak).argmax(-1)
        loss = (cross_entropy(strong, labels) * mask).mean()
        fairness, _ = entropy_loss(
            mask, logits_of(strong), hook.p_model, hook.label_hist
        )
        (loss + fairness).backward()
        record.add(
            weak=weak, strong=strong, mask=mask, unlabeled=loss, fairness=fairness,
            gradient=strong.grad, confidence=hook.time_p, predicted=hook.p_model,
            histogram=hook.label_hist,
        )  # fmt: skip
    record.write("freematch")


def softmatch(checkouts):
    hook = usb(checkouts, "softmatch/utils.py", "usb_softmatch")
    hook = hook.SoftMatchWeightingHook(CLASSES, momentum=0.5)
    align = usb(checkouts, "hooks/dist_align.py", "usb_align")
    align = align.DistAlignEMAHook(CLASSES, momentum=0.5)
    align.p_model = torch.ones(CLASSES) / CLASSES  # theirs starts at the first batch
    settings = types.SimpleNamespace(distributed=False)
    record = Record()
    for weak, strong in zip(draws(2), draws(3), strict=True):
        strong = with_gradient(strong)
        probs = torch.softmax(logits_of(weak), -1)
        mask = hook.masking(settings, align.dist_align(settings, probs), False)
        loss = (cross_entropy(strong, probs.argmax(-1)) * mask).mean()
        loss.backward()
        record.add(
            weak=weak, strong=strong, mask=mask, unlabeled=loss, gradient=strong.grad,
            predicted=align.p_model, mean=hook.prob_max_mu_t,
            variance=hook.prob_max_var_t,
        )  # fmt: skip
    record.write("softmatch")


def flexmatch(checkouts):
    faces = BATCH
    hook = usb(checkouts, "flexmatch/utils.py", "usb_flexmatch")
    hook = hook.FlexMatchThresholdingHook(faces, CLASSES)
    settings = types.SimpleNamespace(p_cutoff=0.5)
    rng, record = np.random.default_rng(4), Record()
    for weak, strong in zip(draws(5, 1.5), draws(6), strict=True):
        strong = with_gradient(strong)
        index = torch.tensor(rng.permutation(faces)[:BATCH])
        mask = hook.masking(settings, logits_of(weak), index)
        loss = (cross_entropy(strong, logits_of(weak).argmax(-1)) * mask).mean()
        loss.backward()
        record.add(
            weak=weak, strong=strong, index=index, mask=mask, unlabeled=loss,
            gradient=strong.grad, beta=hook.classwise_acc.clone(),
        )  # fmt: skip
    record.write("flexmatch")


def ada_cm(checkouts):
    mask_generate, thresholds_of = functions(
        checkouts / "ada_cm/main.py", "mask_generate", "adaptive_threshold_generate"
    )
    contrast = module(checkouts / "ada_cm/losses.py", "ada_cm_losses").SupConLoss()
    rng, record, thresholds = np.random.default_rng(7), Record(), [0.8] * CLASSES
    views = zip(draws(8, 3.0), draws(9, 2.0), draws(10), draws(11, 4.0), strict=True)
    for epoch, (first, noise, strong, labeled) in enumerate(views, start=1):
        first, second = with_gradient(first), with_gradient(first + noise)
        strong = with_gradient(strong)
        p = (logits_of(first).softmax(1) + logits_of(second).softmax(1)) / 2
        confidence, labels = p.max(1)
        mask = mask_generate(confidence.detach(), labels, BATCH, thresholds)
        unsure = np.where(mask == 0)[0]
        pair = [F.normalize(view, dim=1)[unsure] for view in (first, second)]
        contrastive = contrast(torch.stack(pair, 1))
        loss = (cross_entropy(strong, labels) * mask).mean()
        (loss + contrastive).backward()
        targets = logits_of(labeled).argmax(-1)
        targets[::4] = torch.tensor(rng.integers(0, CLASSES, BATCH // 4))
        record.add(
            weak=first, weak_2=second, strong=strong, mask=mask, unlabeled=loss,
            contrastive=contrastive, gradient=strong.grad, weak_gradient=first.grad,
            weak_2_gradient=second.grad,
            thresholds=np.float32(thresholds), labeled=labeled, targets=targets,
        )  # fmt: skip
        # They leave out a first row, which they put there themselves.
        rows = torch.cat([torch.ones(1, CLASSES), logits_of(labeled)])
        marks = torch.cat([torch.ones(1).long(), targets])
        thresholds = [float(t) for t in thresholds_of(rows, marks, thresholds, epoch)]
        record.add(measured=np.float32(thresholds))
    record.write("ada_cm")


def inpl(checkouts):
    def ce_loss(logits, targets, hard, reduction):
        return F.cross_entropy(logits, targets, reduction=reduction)

    consistency_loss = module(
        checkouts / "inpl/models/inpl/inpl_utils.py",
        "inpl_utils",
        train_utils=types.SimpleNamespace(ce_loss=ce_loss),
    ).consistency_loss
    record, mean = Record(), torch.ones(CLASSES) / CLASSES
    for weak, strong in zip(draws(12), draws(13), strict=True):
        strong = with_gradient(strong)
        loss, _, mask, _, _ = consistency_loss(
            logits_of(strong), logits_of(weak), mean, e_cutoff=-4.0, tau=0.5
        )
        loss.backward()
        record.add(
            weak=weak, strong=strong, mask=mask, unlabeled=loss, gradient=strong.grad
        )
        mean = 0.9 * mean + 0.1 * logits_of(weak).softmax(-1).mean(0)
    record.write("inpl")


def center_loss(checkouts):
    loss = module(checkouts / "center/center_loss.py", "center_loss").CenterLoss(
        CLASSES, WIDTH, use_gpu=False
    )
    rng, record = np.random.default_rng(14), Record()
    for embeddings in draws(15):
        embeddings = with_gradient(embeddings)
        labels = torch.tensor(rng.integers(0, CLASSES, BATCH))
        loss.centers.data = torch.tensor(
            rng.normal(size=(CLASSES, WIDTH)), dtype=torch.float32
        )
        loss.centers.grad = None
        value = loss(embeddings, labels)
        value.backward()
        record.add(
            embeddings=embeddings, labels=labels, centers=loss.centers, loss=value,
            gradient=embeddings.grad, center_gradient=loss.centers.grad,
        )  # fmt: skip
    record.write("center_loss")


def region_biased(checkouts):
    script = checkouts / "ran/FERplus_dir/attention_rank_loss.py"
    (loss,) = functions(script, "MyLoss")
    rng, record = np.random.default_rng(16), Record()
    for _ in range(STEPS):
        attention = torch.tensor(rng.uniform(size=(BATCH, 6)), dtype=torch.float32)
        attention = with_gradient(attention / attention.sum(1, True))
        value = loss()(attention[:, 1:].max(1, True)[0], attention[:, :1])
        value.backward()
        record.add(attention=attention, loss=value[0], gradient=attention.grad)
    record.write("region_biased")


def abc(checkouts):
    """Their lines, in the order of their training loop; its epochs are 500."""
    code = lines(
        checkouts / "abc/ABCcode0920/ABCfix.py", "train",
        "targets_x2", "maskforbalance", "logits", "logitsu1", "max_p2", "select_mask2",
        "label_u", "ir22", "maskforbalanceu", "logitsu2", "logitsu3", "abcloss",
        "abcloss1", "abcloss2",
    )  # fmt: skip
    counts = np.array([400, 300, 200, 120, 80, 50, 40])
    rng, record = np.random.default_rng(17), Record()
    views = zip(draws(18), draws(19, 4.0), draws(20), draws(21), strict=True)
    for row, (labeled, weak, first, second) in enumerate(views):
        labeled, first, second = map(with_gradient, (labeled, first, second))
        space = {
            "torch": torch, "F": F, "num_class": CLASSES, "batch_size": BATCH,
            "targets_x": torch.tensor(rng.integers(0, CLASSES, BATCH)),
            "inputs_x": labeled, "inputs_u": weak, "epoch": 60 * row,
            "ir2": np.float32(counts.min() / counts),
            "logit": logits_of(labeled), "logitu1": logits_of(weak),
            "logitu2": logits_of(first), "logitu3": logits_of(second),
        }  # fmt: skip
        exec(code, space)
        of_labels, *of_views = (space[f"abcloss{end}"] for end in ("", 1, 2))
        (of_labels + sum(of_views)).backward()
        record.add(
            image=labeled, weak=weak, strong=first, strong_2=second,
            labels=space["targets_x"], progress=space["epoch"] / 500,
            kept_labeled=space["maskforbalance"], kept=space["maskforbalanceu"],
            acceptance=space["ir2"], chance=space["ir22"],
            confident=space["select_mask2"], labeled=of_labels, unlabeled=sum(of_views),
            image_gradient=labeled.grad, gradient=first.grad, gradient_2=second.grad,
        )  # fmt: skip
    record.add(counts=counts)
    record.write("abc")


def rul(checkouts):
    mixup_data, mixup_criterion = functions(
        checkouts / "rul/src/utils.py", "mixup_data", "mixup_criterion"
    )
    rng, record = np.random.default_rng(22), Record()
    for row, (mean, log_variance) in enumerate(zip(draws(23), draws(24), strict=True)):
        mean, log_variance = with_gradient(mean), with_gradient(log_variance)
        labels = torch.tensor(rng.integers(0, CLASSES, BATCH))
        torch.manual_seed(row)
        partner = torch.randperm(BATCH)
        torch.manual_seed(row)  # theirs is drawn again, inside
        uncertainty = log_variance.exp().mean(dim=1, keepdim=True)
        mixed, *both, _, _ = mixup_data(mean, labels, uncertainty)
        loss = mixup_criterion(*both)(torch.nn.CrossEntropyLoss(), logits_of(mixed))
        loss.backward()
        record.add(
            mean=mean, log_variance=log_variance, labels=labels, partner=partner,
            loss=loss, mean_gradient=mean.grad, variance_gradient=log_variance.grad,
        )  # fmt: skip
    record.write("rul")


def mek(checkouts):
    """Their weights of the classes are RAF-DB's, N / (10 N_k) of these counts."""
    script = checkouts / "mek/code/train_exp.py"
    AgreementLoss, flip_grid, Smoothed = functions(
        script, "ACLoss", "generate_flip_grid", "LSR2", F=F,
        Variable=torch.autograd.Variable,
    )  # fmt: skip
    code = lines(script, "main", "balance_weight")
    rng, record, faces = np.random.default_rng(25), Record(), 4
    for logits in draws(26):
        logits = with_gradient(logits[:faces, :CLASSES])
        maps, mirrored = (
            with_gradient(
                torch.tensor(rng.normal(size=(faces, CLASSES, 4, 3)), dtype=torch.float)
            )
            for _ in range(2)
        )
        labels = torch.tensor(rng.integers(0, CLASSES, faces))
        space = {"torch": torch}
        exec(code, space)
        difference = AgreementLoss(maps, mirrored, flip_grid(3, 4), logits)
        weights = space["balance_weight"]
        attention = 0.1 * (difference.mean(-1).mean(-1) @ weights).mean()
        smoothed = Smoothed(0.3)(logits, labels)
        (smoothed + attention).backward()
        record.add(
            logits=logits, maps=maps, mirrored=mirrored, labels=labels,
            supervised=smoothed, attention=attention, gradient=logits.grad,
            maps_gradient=maps.grad, mirrored_gradient=mirrored.grad,
        )  # fmt: skip
    record.write("mek")


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for make in (
        freematch, softmatch, flexmatch, ada_cm, inpl, center_loss, region_biased,
        abc, rul, mek,
    ):  # fmt: skip
        make(folder)
