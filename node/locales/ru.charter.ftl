
# Всё о хартии по-русски: её слова на панели и в командной строке, дела, публичный журнал.

## Что говорит хартия, в том числе в командной строке

charter-labels = {" "}по { $labels }
charter-days = { $n ->
    [one] { $n } день
    [few] { $n } дня
   *[other] { $n } дней
}
charter-nodes = { $n ->
    [one] { $n } узел
    [few] { $n } узла
   *[other] { $n } узлов
}
charter-consent-asked = спрашивают
charter-consent-not-needed = не нужно
charter-guard = То, что идёт на порт { $port }, читают как { $parser } и отвергают, если имени нет в списке.
charter-watchers = Участников: { $members }, исследователей: { $researchers }; решают { $approvals } из них; проверка раз в { $days } дн.
charter-window-vote = голосование: { $n } ч
charter-window-emergency = срочное голосование: { $n } мин
charter-window-override = о чрезвычайном действии сообщают за { $n } мин
charter-window-report = сообщение о нарушении рассматривают за { $n } ч
charter-window-export = ваши данные выдают за { $n } ч
charter-window-erase = стирание необратимо через { $n } дн.
charter-penalty-removal = исключение навсегда
charter-penalty-ban = отстранение на { $n } дн.
charter-penalty-fine = штраф { $n } x0
charter-penalty-deletion = удаление взятого
charter-penalty-probation = испытательный срок { $n } дн.
charter-penalty-referral = передача дела вовне
charter-bounty = Сообщивший о нарушении получает от { $least } до { $most } x0.

## Страница хартии

charter-lead = Что этой сети можно собирать о людях, чего нельзя никогда, кто за этим следит и что удерживает эту машину в рамках прямо сейчас.
charter-none = Эта сеть основана без хартии. Узел держится той, что поставляется с программой; изменить её некому, и о нарушениях никто не решает.
charter-number = Номер
charter-id = Имя, по которому каждый проверит, что хартия та же самая
charter-cases = { $n ->
    [0] Открытых дел о нарушениях нет
    [one] Открыто { $n } дело о нарушении
    [few] Открыто { $n } дела о нарушениях
   *[other] Открыто { $n } дел о нарушениях
}
charter-cases-overdue = просрочено: { $n }
charter-principles = Восемь принципов
principle-no-hidden-collection = Никакого скрытого сбора
principle-data-minimization = Только необходимое
principle-user-control = Данные принадлежат людям
principle-no-behavioural-prediction = Никаких прогнозов поведения ради контроля
principle-privacy-by-design = Приватность по умолчанию
principle-algorithm-transparency = Модели объяснимы
principle-no-exploitation = Никакой эксплуатации
principle-public-override = Каждое чрезвычайное действие публично
charter-collected = Что можно собирать, и ничего больше
charter-collected-what = У каждого числа есть цель, срок, после которого его забывают, и количество узлов, по которым его складывают, прежде чем увидит кто-то кроме владельца.
charter-handed-out = выдаётся
charter-never = Чего собирать нельзя никогда
charter-never-what = Под этими именами узел не отдаёт ничего, кто бы ни спросил.
charter-never-names = Эти имена
charter-never-prefixes = Все имена, которые так начинаются
charter-ways = Кому с кем можно говорить
charter-ways-what = Программам рядом с узлом доступны только эти адреса, если за этим следит ядро.
charter-own-machine = эта машина
charter-anybody = кто угодно
charter-every-service = каждая из них
charter-gateway = шлюз на этой машине
charter-watch = Кто следит
charter-windows = Сколько что занимает
charter-penalties = Что следует за нарушением
charter-report = Сообщить о нарушении, можно и без имени:
column-name = Имя
column-purpose = Зачем
column-kept = Хранится
column-consent = Согласие
column-shown-over = Складывают по
column-here = Этот узел
column-service = Программа
column-hosts = Куда можно
column-ports = Порты

## Поправка, о которой голосуют

amendments-title = { $n ->
    [one] Идёт голосование о поправке
    [few] Идёт голосование о { $n } поправках
   *[other] Идёт голосование о { $n } поправках
}
amendment-number = Хартия номер { $number }
amendment-closes = закроется
amendment-by = предложил
amendment-charter = Новая хартия
amendment-counted = Подсчитано
amendment-sums = за { $yes }, против { $no }, воздержались { $abstain }
amendment-loss = люди теряют
amendment-gain = люди получают
amendment-neutral = прочее
amendment-nothing = Ничего из сказанного в ней не меняется.
amendment-more = и ещё изменений: { $n }
amendment-vote = Проголосовать:
amendment-follow = Как идёт голосование:

## Что удерживает в рамках здесь и сейчас

enforced = Как хартия соблюдается здесь и сейчас
enforced-node = Собственный фильтр узла работает: выдаётся чисел: { $out }, считается и не выдаётся: { $held }.
enforced-gateway-open = Шлюз принимает телеметрию программ на { $address }: принято { $taken }, отвергнуто { $refused }.
enforced-gateway-off = Шлюз выключен: программам этой машины некуда отдавать телеметрию. Настройка:
enforced-gateway-opening = Шлюз запускается.
enforced-gateway-failed = Шлюз ничего не принимает на { $address } и пробует снова:
enforced-kernel-in-force = Ядро этой машины соблюдает хартию номер { $number } и само следует поправкам.
enforced-kernel-waiting = Соблюдает ли хартию ядро, пока неизвестно: узел догоняет сеть.
enforced-kernel-manual = Что соблюдает ядро, решает владелец (charter.probe = manual). Загрузить хартию:
enforced-kernel-no-helper = Ядро этой машины не соблюдает ничего: помощник не запущен, для него нужны права root. Узел по-прежнему фильтрует всё, что выдаёт сам, но программы рядом с ним хартией не связаны. Чтобы это изменить:
enforced-kernel-not-owner = Помощник ядра принадлежит другому, и тот решает, что соблюдать:
enforced-kernel-by-hand = Ядро соблюдает не хартию, а правила, которые кто-то написал; узел их не трогает. Чтобы сделать такие, за которыми узел следит:
enforced-kernel-failed = Ядро ОТСТАЛО: хартия номер { $number } не загрузилась, узел пробует снова:
enforced-no-policy = У помощника ядра нет правил: программы под охраной не могут отправить ничего.
enforced-guarded = { $n ->
    [0] Под охраной ядра не работает ни одна программа.
    [one] Под охраной ядра работает { $n } программа.
    [few] Под охраной ядра работают { $n } программы.
   *[other] Под охраной ядра работает { $n } программ.
}
enforced-counted = Ядро проверило и пропустило датаграмм телеметрии: { $passed }; отказов: { $refused }.
enforced-none-lost = Ни один отказ не потерян: о каждом сообщено.
enforced-lost = { $n ->
    [one] { $n } отказ потерян без сообщения: хартия считает это нарушением.
    [few] { $n } отказа потеряны без сообщения: хартия считает нарушением каждый.
   *[other] { $n } отказов потеряно без сообщения: хартия считает нарушением каждый.
}
own-audit = Проверка этого узла
own-audit-what = Что узел выдаёт прямо сейчас, имя за именем, в сравнении с хартией. Проверка видит узел и помощника ядра, но не то, что владелец запускает рядом.
own-audit-clean = Нарушений хартии нет.
own-audit-violations = { $n ->
    [one] НАРУШЕНИЕ: найдено { $n }
    [few] НАРУШЕНИЯ: найдено { $n }
   *[other] НАРУШЕНИЯ: найдено { $n }
}
own-audit-elsewhere = То же в командной строке:
refusals = Что отвергло ядро, вживую
refusals-what = Кто пытался, куда и почему отказано. Отвергнутое имя показано как хеш с ключом: имя само может быть личными данными; владелец узнает его командой x0 charter probe hash.
refusals-unseen = Отказы ядра показать нельзя: его помощник ничего не сообщает этому узлу. Всё остальное на этой странице верно и так.
refusals-empty-title = Отказов ещё не было
refusals-empty = Когда программа под охраной отправит то, чего хартия не разрешает, это появится здесь за секунды.
refusal-no-service = без службы
refusal-process = процесс { $pid }, пользователь { $uid }
refusal-name-hash = хеш имени
refusal-no-policy = у этой группы программ нет правил
refusal-destination = этого адреса нет в списке службы
refusal-telemetry-elsewhere = телеметрии место только в местном шлюзе
refusal-telemetry-from-node = самому узлу порты телеметрии недоступны
refusal-name = имени показателя нет в списке
refusal-malformed = датаграмма состоит не из простых строк StatsD
refusal-oversized = датаграмма длиннее того, что проверяется
refusal-fragment = пакет — лишь часть целого
refusal-headers = у пакета заголовки, которые не разбираются
refusal-segmented = одна отправка дала бы несколько датаграмм
refusal-shared-memory = отправитель ещё мог бы изменить проверяемое
refusal-transport = на этом транспорте имена не проверить
refusal-socket-kind = разрешены только TCP и UDP
refusal-listen = на этом порту принимать соединения нельзя
gateway-refusals = Что отверг шлюз
gateway-refusals-what = Телеметрия, которую отдали программы и которой хартия не разрешает. Имена хранятся только в памяти и видны только владельцу узла.
column-source = Откуда
column-times = Раз
column-why = Почему
column-last = Последний раз

## Нарушения

cases-lead = Нарушения хартии, о которых кто-то сообщил: как далеко зашло каждое дело, что решено и что из этого следует. Запечатанное здесь не показывают никогда, а сообщивших без имени не называют.
cases-empty-title = О нарушениях не сообщали
cases-empty = Насколько известно этому узлу. Сообщить может каждый, под своим именем или без него, и комитет обязан ответить:
cases-overdue = { $n ->
    [one] Просрочено { $n } дело: комитет не ответил за время, которое даёт ему хартия.
    [few] Просрочено { $n } дела: комитет не ответил за время, которое даёт ему хартия.
   *[other] Просрочено { $n } дел: комитет не ответил за время, которое даёт ему хартия.
}
barred-suspended = Этот узел отстранён решением: то, что он пишет о других, не действует, до
barred-probation = Этот узел на испытательном сроке: менять он может только себя, до
barred-removed = Этот узел исключён из сети решением, навсегда.
case = Дело
case-overdue = ПРОСРОЧЕНО
case-since = С
case-due = Решить до
case-appeal-until = Обжаловать можно до
case-accused = Обвиняемый
case-sort = Нарушение
case-bounty = Вознаграждение
case-bounty-is = { $n } x0 тому, кто сообщил
case-follows = Что следует
case-would-follow = Что последовало бы
case-at-seat = Что знает место этого узла
case-sealed = Сообщение пришло запечатанным. Читают его только места комитета, и здесь его не показывают. На месте:
case-reporter = Кто сообщил
case-asked = О чём просят
case-appeal = Обвиняемый говорит:
stage-reported = сообщено
stage-reported-is = Сообщение у комитета; он должен сказать, займётся ли им.
stage-opened = рассматривается
stage-opened-is = Комитет рассматривает дело и должен решить.
stage-dismissed = отклонено
stage-dismissed-is = Ничего не следует.
stage-announced = решено, не в силе
stage-announced-is = Решение объявлено. Пока обвиняемый может обжаловать, оно не в силе.
stage-appealed = обжаловано
stage-appealed-is = Обвиняемый обжаловал: дело решают заново, пока ничего не в силе.
stage-overturned = отменено
stage-overturned-is = Решение отменено. Ничего не следует.
stage-final = окончательно
stage-final-is = Решение стоит, и каждый узел его соблюдает.
stage-claimed = окончательно, вознаграждение взято
stage-claimed-is = Решение стоит, а сообщивший без имени взял вознаграждение.
ended-approvals = Так сказали достаточно многие в комитете.
ended-unreadable = Запечатанное не было сообщением.
ended-lapse = Никто не решил за 90 дней.
say-open = { $n } говорят: рассмотреть
say-dismiss = { $n } говорят: ничего нет
say-find = { $n } говорят: нарушение
say-uphold = { $n } говорят: оставить
say-overturn = { $n } говорят: отменить
violation-silent-collection = тайный сбор данных
violation-behavioural-prediction = прогноз поведения ради контроля
violation-data-extraction = извлечение данных
violation-unauthorized-override = самовольное чрезвычайное действие
sentence-suspended = отстранён с
sentence-until = до
sentence-probation = испытательный срок до
sentences = Действующие наказания
sentences-none = Никто не отстранён, не на испытательном сроке и не исключён решением.
ledger = Штрафы и вознаграждения
ledger-what = x0 движутся только по решениям, которые заверил комитет, и каждый узел считает их одинаково. Кто получил вознаграждение, не показано.
ledger-none = x0 ещё не двигались.
ledger-fund = Общий фонд
ledger-issued = Выпущено всего
ledger-waiting = { $n ->
    [one] { $n } расчёт ждёт предыдущего.
    [few] { $n } расчёта ждут предыдущих.
   *[other] { $n } расчётов ждут предыдущих.
}
all-of-it = Всё целиком:
x0 = { $n } x0
posting-fine = Штраф с
posting-bounty = Вознаграждение сообщившему, из общего фонда
posting-bounty-issued = Вознаграждение сообщившему, выпущено заново
posting-claim = Взято вознаграждение за сообщение без имени
posting-other = От одного участника другому
column-number = №
column-what = Что
column-amount = Сколько

## Публичный журнал

public-lead = То, что касается всей сети, навсегда: чрезвычайные действия, действия на всю сеть, принятые голосования, остановки, решения по делам, передачи комитета. У каждого узла есть копия, и незаметно её не изменить.
public-head = Что заверено
public-certified = Заверено
public-certified-at = комитетом, на высоте { $n }
public-not-certified = заверения здесь ещё не знают
public-wanted = Узел ещё получает записи: заверено { $n }.
public-verify = Доказательство с этой страницы проверит каждый, без узла и не веря этому узлу:
public-filter = Какие записи показаны
public-all = Все
public-overrides = Чрезвычайные действия
public-empty-title = Публичный журнал пуст
public-empty = Первая запись появится с первым принятым голосованием, чрезвычайным действием или другим, что касается всех.
overrides-empty-title = Чрезвычайных действий ещё не было
overrides-empty = Действие без голосования останется здесь навсегда: кто, что, почему, где и что из этого вышло.
public-split = { $n ->
    [one] КТО-ТО ПОКАЗАЛ ДВА РАЗНЫХ ЖУРНАЛА. Доказательство у этого узла:
    [few] КТО-ТО ПОКАЗАЛ ДВА РАЗНЫХ ЖУРНАЛА, { $n } раза. Доказательства у этого узла, новейшее сверху:
   *[other] КТО-ТО ПОКАЗАЛ ДВА РАЗНЫХ ЖУРНАЛА, { $n } раз. Доказательства у этого узла, новейшее сверху:
}
public-split-mend = Скажите другим участникам и передайте им доказательство. Записать его в файл:
public-override = Чрезвычайное действие: без голосования
public-broadcast = О чрезвычайном действии вовремя сообщено всем, оно остаётся
public-admitted = Действие на всю сеть допущено голосованием
public-halted = Сеть остановлена
public-passed = Голосование принято
public-passed-emergency = Срочное голосование принято
public-handed-over = Комитет передан: мест { $seats }, эпоха { $epoch }
public-verdict = Решение о нарушении хартии стоит
public-act = Действие
public-until = Закончится само
public-vote = Голосование
public-subject = О чём
public-seats = Кто в комитете
public-place = Запись { $index }, высота { $height } журнала комитета
public-proof = Сохранить доказательство
public-proof-of = записи { $index }
proof-no-number = Такой записи нет: место записи — число.
override-who = Кто
override-what = Что
override-where = Где
override-why = Почему
override-consequences = Последствия
override-stays = вовремя сообщено всем: остаётся
override-lapsed = вовремя не сообщено всем: утратило силу
override-open = ещё не сообщено всем, иначе утратит силу
override-runs-here = действует на этом узле
