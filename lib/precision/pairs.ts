/**
 * The built-in set that precisions are compared on: every query against every passage.
 *
 * Each topic has passages that answer, passages that only touch it and passages about something else, short and of up to
 * about 150 tokens, so that rankings have a top, a middle and a tail. Chinese and English are mixed on purpose: a query
 * has answers in both.
 */
export const QUERIES: readonly string[] = [
  'Which planet is known as the Red Planet?',
  'why does a database index make queries faster?',
  'how do vaccines protect people from disease',
  'What should I do to make a lithium battery last longer?',
  '什么是检索增强生成？',
  '红烧肉怎么做才不腻',
  '数据库索引为什么能加快查询速度？',
  '租房合同提前解约，押金能退吗？',
];

export const PASSAGES: readonly string[] = [
  // planets
  'Mars, known for its reddish appearance, is often referred to as the Red Planet.',
  "Venus is often called Earth's twin because of its similar size and proximity.",
  'Jupiter, the largest planet in our solar system, has a prominent red spot. The spot is a storm wider than the Earth; it has been seen for at least two hundred years and has been shrinking for most of them. Its colour is still argued about: ammonium salts broken up by ultraviolet light are one candidate, and phosphorus compounds that rise from below are another.',
  '火星表面覆盖着富含氧化铁的尘土，从地球上看呈现红色，因此常被称为红色星球。它的一天只比地球长四十分钟左右，一年却有六百八十七天。火星上有太阳系最高的火山和一条四千公里长的峡谷，两极覆盖着水冰和干冰。',
  // databases
  'An index is a sorted structure, usually a B-tree, that maps the values of a column to the rows that hold them. Instead of reading the whole table, the database walks a few levels of the tree and reads only the pages that match, so a lookup costs a logarithmic number of steps. The price is extra space and slower writes, because every insert has to update the tree as well.',
  'To speed up a slow query, look at its plan first: a sequential scan over a large table is the usual culprit.',
  'Foreign keys keep references between tables consistent.',
  '索引好比书的目录。数据库通常用B+树把列的值按顺序组织起来，查询时只需沿着树走几层就能找到目标行，不必扫描整张表。代价是占用额外空间，并且每次写入都要维护索引，所以并不是越多越好。',
  '事务有四个特性：原子性、一致性、隔离性和持久性。',
  // health
  'Vaccines protect people by training the immune system: a harmless part of a germ is shown to the body, which makes antibodies and memory cells, so that it can respond quickly when the real germ comes.',
  'Wash your hands with soap for at least twenty seconds before eating.',
  'Antibiotics work against bacteria only. Taken for a cold or the flu, which viruses cause, they do no good and help resistant strains to spread; a doctor decides when they are needed, and the whole course should be finished even when the symptoms are gone after a few days.',
  '疫苗把病原体的一小部分或灭活的病毒介绍给免疫系统，使人体提前产生抗体和记忆细胞。以后遇到真正的病原体时，身体就能迅速反应，避免发病或减轻症状。',
  // batteries and other technology
  'Lithium-ion cells age fastest when they are hot and full. Keep the charge between twenty and eighty percent, avoid fast charging in summer heat, and store a device that is not in use half charged in a cool place.',
  'The phone has a 5000 mAh battery and a 120 Hz display.',
  '手机电池长期充满或者过热都会加速老化，建议电量保持在百分之二十到八十之间。',
  // language models
  'Retrieval-augmented generation first searches a collection of documents for passages about the question, then gives them to a language model together with the question, so that the answer rests on sources that can be checked.',
  'RAG是检索增强生成技术：先从知识库里检索与问题有关的段落，再把它们和问题一起交给大语言模型，由模型依据这些段落作答，从而减少编造，并且能够注明出处。',
  'Python是编程语言，常用于数据分析和机器学习。',
  // kitchen
  '红烧肉要选肥瘦相间的五花肉，冷水下锅焯去血沫，再用小火把肥肉里的油慢慢煸出来倒掉，这样吃起来就不腻。加冰糖炒出糖色，放姜片、八角、料酒和酱油，加开水没过肉，小火炖一个小时，最后大火收汁。炖的时候放一点山楂或者陈皮，也能解腻。',
  '做面包需要面粉、水、酵母和盐。',
  'Braise pork belly slowly with soy sauce, rock sugar and ginger until the fat has melted into the sauce.',
  // law and daily life
  '租客提前退租的，首先看合同怎么约定。合同写明提前一个月通知即可解约的，房东应当退还押金；没有约定的，提前解约属于违约，房东可以从押金中扣除实际损失，但不能一概不退，多扣的部分可以协商或者起诉要回。',
  '今天天气很好，适合去公园散步。',
];
