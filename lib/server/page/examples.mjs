// @ts-check

/** @typedef {{ query: string, documents: string[] }} Example */

/** Each has a decoy full of the query's words, an answer in other words, and an answer deep inside a long document.
 * @type {Readonly<Record<string, Example>>} */
export const EXAMPLES = {
  english: {
    query: 'How long can I keep cooked rice in the fridge?',
    documents: [
      'Rinse the rice, add one and a half times as much water, and cook it for twelve minutes.',
      'Keep calm: a poster for the fridge about how long I can queue for a cup of tea.',
      'A fridge uses about 100 to 300 kWh a year; a freezer needs a little more.',
      longEnglish(),
      'Raw long-grain rice can be kept in a dry cupboard for years without losing its taste.',
      'Cooked rice keeps in the refrigerator for up to four days if it is cooled quickly and covered.',
      'Spores of Bacillus cereus survive boiling. They grow at room temperature, and reheating does not destroy their toxin.',
      'Sushi chefs use their rice on the same day: the cold of a refrigerator would make it hard.',
    ],
  },
  chinese: {
    query: '煮熟的米饭在冰箱里能放多久？',
    documents: [
      '煮米饭的方法：把米淘洗干净，加入一倍半的水，大火煮开后转小火，再焖十分钟。',
      '冰箱里的灯能用多久？一般能用十年以上，坏了可以自己换。',
      '一台家用冰箱一年大约耗电一百到三百度，冷冻室耗电更多一些。',
      longChinese(),
      '没有煮过的大米放在干燥阴凉的地方，可以保存一年以上而不变味。',
      '熟米饭密封冷藏一般可以保存三到四天，吃之前要彻底加热。',
      '蜡样芽孢杆菌的芽孢在煮沸后仍能存活，在室温下会繁殖，产生的毒素再加热也不会被破坏。',
      '寿司师傅让米饭保持在接近体温的温度，并在当天用完，因为冷藏会让米饭变硬。',
    ],
  },
};

function longEnglish() {
  return [
    'Notes from our kitchen course, third evening.',
    'We began with knives. A sharp knife is a safe knife: it goes where you guide it, and it does not slip off the skin of a tomato. Hold the blade between thumb and forefinger, curl the fingers of the other hand, and let the knuckles lead. Onions were first, then carrots, then a bunch of parsley that nobody managed to cut as finely as the teacher did. We learned to wipe the board with vinegar, and to put a damp cloth below it so that it stays where it is.',
    'The second part was about stock. Bones are roasted until they are brown, vegetables follow, and all of it is covered with cold water. It must never boil hard, since that makes it cloudy; small bubbles at the rim are enough. After four hours it is strained and cooled in a bath of ice. A good stock sets like jelly overnight. The fat that gathers on top is lifted off and kept for frying potatoes, which everybody agreed was the best idea of the evening.',
    'Then we baked flat bread in a pan. Flour, yoghurt, salt and a little baking powder are kneaded for a few minutes and left alone for half an hour. The pieces are rolled thin, and each takes about a minute a side. Brush them with butter while they are hot. They freeze well between sheets of paper, and come back to life in a toaster.',
    'At the end somebody asked about the pot of rice that was left over from the curry. Put it into the refrigerator within one hour, spread flat so that it cools fast, and eat it within one day, two at the very most; heat it once only, until it steams all through. If it has stood on the stove overnight, throw it away, however good it smells.',
    'Next week we will make noodles by hand. Please bring an apron and a rolling pin if you have one, and tell us about allergies before Tuesday. Parking is behind the school; the front door is locked after seven, so ring the bell beside the bicycle racks. Whoever wants to help with the shopping should come an hour earlier. The recipes of the first two evenings are in the folder by the window, and there are copies for everyone.',
  ].join('\n');
}

function longChinese() {
  return [
    '厨艺课第三晚笔记。',
    '我们先学习了刀工。锋利的刀其实更安全，因为它会顺着你的方向走，不会在番茄皮上打滑。用拇指和食指捏住刀身，另一只手的手指弯曲起来，让指节引导刀面。先切洋葱，再切胡萝卜，最后切一把香菜，谁也没有老师切得细。我们还学会了用醋擦砧板，并在砧板下面垫一块湿布，让它不会移动。',
    '第二部分讲的是高汤。骨头先烤到金黄，再放入蔬菜，用冷水没过所有材料。汤绝对不能大火滚开，否则会变浑浊，锅边冒小泡就够了。四个小时以后过滤，放在冰水里降温。好的高汤放一夜会像果冻一样凝固。浮在上面的油脂可以撇下来留着煎土豆，大家一致认为这是当晚最好的主意。',
    '然后我们用平底锅烙饼。面粉、酸奶、盐和少量泡打粉揉几分钟，静置半个小时。面团擀薄，每一面大约烙一分钟，趁热刷上黄油。烙好的饼可以用油纸隔开冷冻，吃的时候用烤面包机加热就会恢复松软。',
    '最后有人问起咖喱剩下的那锅米饭怎么办。米饭要在一小时之内摊开放凉并放进冰箱冷藏，最好在一天之内吃完，最多不要超过两天；只能重新加热一次，而且要热透到冒蒸汽。如果米饭在灶台上放了一整夜，无论闻起来多香都应该倒掉。',
    '下个星期我们要学做手工面条。请自带围裙，有擀面杖的也请带来，如果对食物过敏请在星期二之前告诉我们。停车场在学校后面，七点以后前门会上锁，请按自行车架旁边的门铃。愿意帮忙买菜的同学请提前一个小时到。前两次课的食谱放在窗边的文件夹里，每人都有一份复印件，需要的话可以自己拿。下课以后请把自己用过的刀具洗干净擦干，放回墙上的刀架，围裙可以留在教室里，由值日的同学统一清洗。',
    '另外，老师提醒大家，第五次课会去附近的农贸市场，学习怎样挑选当季的蔬菜和新鲜的鱼。集合地点在市场北门的钟楼下面，时间是早上七点半，请穿防滑的鞋子，并带上可以重复使用的购物袋。市场里的摊位大多只收现金，请准备一些零钱。',
  ].join('\n');
}
